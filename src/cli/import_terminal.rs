//! What imports show on standard error.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono_tz::Tz;
use indicatif::{ProgressBar, ProgressStyle};

use super::{
    import_report::{self, counted},
    terminal::say,
};
use crate::{
    app::import::{ImportProgress, ImportReport, ReadAs},
    error::{Error, ErrorKind, Result, Violation},
};

/// How many bad records are printed one by one.
/// A file with a wrong column has a bad record in each line; the first ones show what is wrong.
const PRINTED: u64 = 100;
/// How many faults of each are printed.
const PRINTED_OF_A_RECORD: usize = 20;

/// Reports progress and bad records. The bar is shown only if standard error is a terminal.
#[derive(Default)]
pub(super) struct Terminal {
    /// What is loaded, in the singular.
    noun: &'static str,
    is_numbered: bool,
    bar: OnceLock<ProgressBar>,
    bad: AtomicU64,
    read_as: OnceLock<ReadAs>,
}

impl Terminal {
    /// With `is_numbered`, bad records are named by their line and their number.
    pub(super) fn new(noun: &'static str, is_numbered: bool) -> Arc<Self> {
        Arc::new(Self {
            noun,
            is_numbered,
            ..Self::default()
        })
    }

    /// Receives the progress.
    pub(super) fn progress(self: &Arc<Self>) -> Arc<dyn ImportProgress> {
        Arc::clone(self) as _
    }

    /// Ends the progress bar, so that the message of an error stands alone, and prints the report.
    pub(super) fn report(
        &self,
        done: Result<ImportReport>,
        time_zone: Tz,
        is_dry_run: bool,
    ) -> Result<()> {
        self.end();
        let report = done?;
        if is_dry_run {
            self.say("dry run: nothing was loaded; without --dry-run, the import would report:");
        }
        for line in import_report::loading(&report, self.noun, time_zone) {
            self.say(&line);
        }
        if let Some(refusal) = report.refusal {
            return Err(Error::new(ErrorKind::FailedPrecondition, refusal));
        }
        if let Some(why) = report.not_tidied {
            tracing::warn!(
                "all is imported, but the counts could not be compacted or the tables not vacuumed, so lists may be slow at first: {why}"
            );
        }
        Ok(())
    }

    /// Counts bad records that are not shown.
    pub(super) fn more_bad(&self, count: u64) {
        let shown = self.bad.load(Ordering::Relaxed).max(PRINTED);
        if count > 0 {
            self.bad.store(shown + count, Ordering::Relaxed);
        }
    }

    fn bar(&self) -> &ProgressBar {
        self.bar.get_or_init(|| {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(200));
            show(&bar, "{spinner} {bytes} read, {msg}");
            bar
        })
    }

    /// Prints a line on standard error.
    pub(super) fn say(&self, line: &str) {
        // The bar is taken away meanwhile, or it would be drawn into the line.
        self.bar().suspend(|| say(line));
    }

    fn end(&self) {
        self.bar().finish_and_clear();
        let unprinted = self.bad.load(Ordering::Relaxed).saturating_sub(PRINTED);
        if unprinted > 0 {
            self.say(&format!("and {unprinted} more bad records"));
        }
        for line in self
            .read_as
            .get()
            .map(import_report::reading)
            .unwrap_or_default()
        {
            self.say(&line);
        }
    }
}

/// Sets the template of a progress bar; an invalid template leaves the bar unchanged.
pub(super) fn show(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

impl ImportProgress for Terminal {
    fn size(&self, bytes: u64) {
        self.bar().set_length(bytes);
        show(
            self.bar(),
            "{bar:40} {bytes} of {total_bytes} read, {msg}, {eta} left",
        );
    }

    fn read(&self, bytes: u64) {
        self.bar().inc(bytes);
    }

    fn loaded(&self, count: u64) {
        let noun = self.noun;
        let text = counted(count, &format!("{noun} loaded"), &format!("{noun}s loaded"));
        self.bar().set_message(text);
    }

    fn read_as(&self, how: ReadAs) {
        // It comes once; another one would say the same.
        let _ = self.read_as.set(how);
    }

    fn bad(&self, line: u64, record: u64, violations: &[Violation]) {
        if self.bad.fetch_add(1, Ordering::Relaxed) >= PRINTED {
            return;
        }
        let first = violations.iter().take(PRINTED_OF_A_RECORD);
        let mut printed: Vec<String> = first
            .map(|v| format!("{} {}", v.field, v.description))
            .collect();
        if violations.len() > PRINTED_OF_A_RECORD {
            let more = violations.len() - PRINTED_OF_A_RECORD;
            printed.push(format!("and {more} more"));
        }
        let position = match self.is_numbered {
            true => format!("line {line}, task {record}"),
            false => format!("line {line}"),
        };
        self.say(&format!("{position}: {}", printed.join("; ")));
    }
}
