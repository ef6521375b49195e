//! The printed text: one Markdown table, and the machine that it was measured on.

use std::{fmt::Write as _, fs, process::Command};

use crate::{Settings, load::Measured, service::cores};

/// The table's rows.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<[String; 4]>);

impl Table {
    /// Adds a row: name, figure, and a floor with the ratio to it where there is one. Also prints it at once, so that a
    /// run that fails at its end has not lost its figures.
    pub(crate) fn row(&mut self, what: &str, figure: String, floor: Option<(String, f64)>) {
        let (floor, ratio) = match floor {
            Some((floor, ratio)) => (floor, format!("{ratio:.2}")),
            None => ("–".to_owned(), "–".to_owned()),
        };
        eprintln!("  {what}: {figure}; {floor}, {ratio}");
        self.0.push([what.to_owned(), figure, floor, ratio]);
    }

    /// The table, after a description of the machine.
    pub(crate) fn render(
        &self,
        settings: &Settings,
        postgres: &str,
        others: Option<f64>,
    ) -> String {
        let mut text = String::new();
        for line in [
            machine(),
            versions(postgres),
            circumstances(settings, others),
        ] {
            let _ = writeln!(text, "{line}  ");
        }
        text.push_str("\n| what | figure | floor | ratio |\n| --- | --- | --- | --- |\n");
        for row in &self.0 {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        text
    }
}

/// A rate, as 12,345/s.
pub(crate) fn rate(a_second: f64) -> String {
    if a_second < 10.0 {
        return format!("{a_second:.1}/s");
    }
    format!("{}/s", thousands(a_second.round() as i64))
}

/// A whole number with separators between the thousands.
pub(crate) fn thousands(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// p50, p90 and p99.
pub(crate) fn quantiles(measured: &Measured) -> String {
    let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|q| measured.millis(q));
    format!("{p50:.2} / {p90:.2} / {p99:.2} ms{}", refused(measured))
}

/// A note about the calls that the service refused because it was busy, if there were any.
pub(crate) fn refused(measured: &Measured) -> String {
    match measured.refused {
        0 => String::new(),
        calls => format!(" ({calls} refused)"),
    }
}

fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = value_of(&info, "model name").unwrap_or("unknown processor");
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = value_of(&memory, "MemTotal").and_then(|v| v.split(' ').next()?.parse::<f64>().ok());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{model}, {} cores, {:.0} GiB, Linux {}; load generator on the same cores",
        cores(),
        kib.unwrap_or_default() / 1024.0 / 1024.0,
        kernel.trim(),
    )
}

fn value_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

fn versions(postgres: &str) -> String {
    let rustc = output("rustc", &["--version"]).unwrap_or_else(|| "rustc unknown".to_owned());
    let commit = output("git", &["describe", "--always", "--dirty", "--tags"]);
    let commit = commit.unwrap_or_else(|| "not in git".to_owned());
    format!(
        "outbound-tasks {} ({commit}), {rustc}, PostgreSQL {postgres}",
        env!("CARGO_PKG_VERSION")
    )
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn circumstances(settings: &Settings, others: Option<f64>) -> String {
    let others = others.map_or(String::new(), |share| {
        format!(
            "; other programs took {:.0} % of the processor",
            share * 100.0
        )
    });
    format!(
        "{} UTC: {} tasks, seed {}, {} s a phase after {} s of warm-up{others}",
        chrono::Utc::now().format("%Y-%m-%d %H:%M"),
        thousands(settings.tasks),
        settings.seed,
        settings.phase.measure.as_secs_f64(),
        settings.phase.warm_up.as_secs_f64(),
    )
}
