//! Sends a file to a running service, which imports it.

use std::{io::Read, sync::Arc};

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::sync::{mpsc, oneshot};
use tonic::{Response, Status};
use tonic_types::StatusExt;

use super::{Client, Connector, harmless};
use crate::{
    app::import::{
        Delimiter, Encoding, FieldOrLabel, Import, ImportFormat, ImportProgress, ImportReport,
        LeadColumn, LeadColumns, LeadImport, Loaded, OnConflict, ReadAs, ReadOptions, Repairs,
        Source, stopped, with_flags,
    },
    cli::import_terminal::Terminal,
    config::Service,
    domain::{key::ApiKey, tenant::TenantId},
    error::{Error, ErrorKind, Result, Violation},
    pb,
};

/// The bytes of a chunk. A message with one has at most 256 KiB.
const CHUNK: usize = 128 << 10;

/// Where an import sends its file, and what it shows meanwhile.
pub(in crate::cli) struct Sending<'a> {
    pub(in crate::cli) service: &'a Service,
    /// The tenant of the tasks, if the user says it. The key decides.
    pub(in crate::cli) tenant: Option<&'a TenantId>,
    pub(in crate::cli) terminal: &'a Arc<Terminal>,
}

impl Sending<'_> {
    /// Sends a file of tasks. If `stop` resolves first, nothing is loaded.
    pub(in crate::cli) async fn tasks(
        &self,
        import: Import,
        stop: impl Future<Output = ()>,
    ) -> Result<ImportReport> {
        let Import {
            source,
            format,
            reading,
            on_conflict,
            drop_results,
            is_dry_run,
            rejects,
        } = import;
        self.check(rejects.is_some())?;
        let ReadOptions {
            map,
            status_map,
            ignore_unknown,
            defaults,
            root,
            time_zone,
            profile,
            encoding: _,
            delimiter: _,
            sheet: _,
            target_separator: _,
        } = reading.clone();
        let pairs = |pairs: Vec<(FieldOrLabel, String)>| {
            let pairs = pairs.into_iter();
            pairs.map(|(named, text)| (named.name().into_owned(), text))
        };
        let options = pb::ImportTaskOptions {
            format: wire_format(format).into(),
            table: Some(table(&reading)),
            field_names: pairs(map).collect(),
            status_words: (status_map.into_iter())
                .map(|(word, status)| (word, status as i32))
                .collect(),
            ignore_unknown,
            defaults: pairs(defaults).collect(),
            root: root.join("."),
            time_zone: time_zone.name().to_owned(),
            on_conflict: match on_conflict {
                OnConflict::Fail => pb::ImportConflict::Fail,
                OnConflict::Skip => pb::ImportConflict::Skip,
                OnConflict::Replace => pb::ImportConflict::Replace,
            }
            .into(),
            drop_results,
            dry_run: is_dry_run,
            profile: profile
                .map(|p| <&str>::from(p).to_owned())
                .unwrap_or_default(),
        };
        use pb::import_outbound_tasks_request::Part;
        let message = |part| pb::ImportOutboundTasksRequest { part: Some(part) };
        let first = message(Part::Options(options));
        let chunk = |bytes| pb::ImportOutboundTasksRequest {
            part: Some(Part::Chunk(bytes)),
        };
        let call = async |mut client: Client, file| client.import_outbound_tasks(file).await;
        let sent = self.send(source, (first, chunk), call, stop).await?;
        self.report(sent.report)
    }

    /// Sends a lead list. If `stop` resolves first, nothing is added.
    pub(in crate::cli) async fn leads(
        &self,
        import: LeadImport,
        stop: impl Future<Output = ()>,
    ) -> Result<ImportReport> {
        let LeadImport {
            source,
            format,
            reading,
            columns,
            is_dry_run,
            rejects,
        } = import;
        self.check(rejects.is_some())?;
        let LeadColumns {
            task_id,
            customer,
            task,
            header,
        } = columns;
        let name = |column: Option<LeadColumn>| column.map(|c| c.to_string()).unwrap_or_default();
        let options = pb::ImportTargetOptions {
            format: wire_format(format).into(),
            table: Some(table(&reading)),
            // A column that is named beside the task is not read.
            task_column: name(task.filter(|_| task_id.is_none())),
            task_id: task_id.unwrap_or_default(),
            column: name(customer),
            header,
            dry_run: is_dry_run,
        };
        use pb::import_task_targets_request::Part;
        let message = |part| pb::ImportTaskTargetsRequest { part: Some(part) };
        let first = message(Part::Options(options));
        let chunk = |bytes| pb::ImportTaskTargetsRequest {
            part: Some(Part::Chunk(bytes)),
        };
        let call = async |mut client: Client, file| client.import_task_targets(file).await;
        let sent = self.send(source, (first, chunk), call, stop).await?;
        self.report(sent.report)
    }

    /// BAD_USAGE for what only a command with a database can do, and for another tenant than that of the key.
    fn check(&self, has_rejects: bool) -> Result<()> {
        let bad_usage = |what: String| Err(Error::new(ErrorKind::BadUsage, what));
        if has_rejects {
            return bad_usage("--rejects needs --database-url".to_owned());
        }
        let key = ApiKey::parse(&self.service.api_key);
        match (key, self.tenant) {
            (Some(key), Some(tenant)) if key.id.tenant() != tenant => {
                let of_key = key.id.tenant();
                bad_usage(format!(
                    "--api-key is a key of the tenant {of_key}, but --tenant is {tenant}"
                ))
            }
            _ => Ok(()),
        }
    }

    /// Sends the first message and then the file in chunks.
    async fn send<M: Send + 'static, R>(
        &self,
        source: Source,
        (first, chunk): (M, fn(Vec<u8>) -> M),
        call: impl AsyncFnOnce(Client, BoxStream<'static, M>) -> Result<Response<R>, Status>,
        stop: impl Future<Output = ()>,
    ) -> Result<R> {
        let connector = Connector::new(self.service)?;
        let client = connector.connect().await?;
        let (sender, chunks) = mpsc::channel(2);
        let (failing, failed) = oneshot::channel();
        let progress = self.terminal.progress();
        tokio::task::spawn_blocking(move || {
            let read = source
                .open(&progress)
                .and_then(|file| read(file, &source, &sender));
            match read {
                Ok(()) => drop(sender),
                Err(error) => {
                    // The end of the stream would be the end of the file, so the stream stays open until the call is
                    // dropped.
                    let _ = failing.send((error, sender));
                }
            }
        });
        let chunks = stream::unfold(chunks, async |mut chunks: mpsc::Receiver<Vec<u8>>| {
            Some((chunks.recv().await?, chunks))
        });
        let file = stream::iter([first]).chain(chunks.map(chunk)).boxed();
        let failed = async {
            match failed.await {
                Ok(failure) => failure,
                // The file was read to its end.
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            sent = call(client, file) => match sent {
                Ok(response) => Ok(response.into_inner()),
                Err(status) => Err(self.explained(&connector, &status)),
            },
            (error, _sender) = failed => Err(error),
            // Dropping the call cancels it, so the service rolls back.
            () = stop => Err(stopped()),
        }
    }

    /// The error of a call. Violations of single records are printed one by one.
    fn explained(&self, connector: &Connector, status: &Status) -> Error {
        let details = status.get_error_details();
        let violations = details.bad_request().map(|bad| &bad.field_violations[..]);
        let violations = violations.unwrap_or_default();
        match status.message().split_once(": line ") {
            Some((what, _)) if violations.iter().all(|v| v.field.starts_with("line ")) => {
                for violation in violations {
                    let line = format!("{} {}", violation.field, violation.description);
                    self.terminal.say(&harmless(&with_flags(&line)));
                }
                Error::new(ErrorKind::FailedPrecondition, harmless(what))
            }
            _ => {
                let refused = connector.refused(status, false);
                Error::new(refused.kind(), with_flags(refused.message()))
            }
        }
    }

    /// The report in the form of a command that loads the file itself.
    fn report(&self, report: Option<pb::ImportReport>) -> Result<ImportReport> {
        let pb::ImportReport {
            tasks,
            targets,
            skipped,
            replaced,
            repeated_customers,
            dropped_results,
            repairs,
            reading,
            refusal,
            bad_records,
            errors,
        } = report.unwrap_or_default();
        let shown = errors.len() as u64;
        for error in errors {
            let violations = error.violations.into_iter();
            let violations: Vec<Violation> = violations
                .map(|v| Violation::of_record(v.field, with_flags(&v.description)))
                .collect();
            self.terminal.bad(
                error.line.unsigned_abs(),
                error.record.unsigned_abs(),
                &violations,
            );
        }
        self.terminal
            .more_bad(bad_records.unsigned_abs().saturating_sub(shown));
        if let Some(reading) = reading {
            self.terminal.read_as(read_as(reading));
        }
        Ok(ImportReport {
            loaded: Loaded {
                tasks: tasks.unsigned_abs(),
                targets: targets.unsigned_abs(),
            },
            skipped: skipped.unsigned_abs(),
            replaced: replaced.unsigned_abs(),
            rejected: 0, // there is no file of rejects
            repeated: repeated_customers.unsigned_abs(),
            dropped_results: dropped_results.unsigned_abs(),
            refusal: Some(with_flags(&refusal)).filter(|why| !why.is_empty()),
            repairs: repaired(repairs.unwrap_or_default()),
            not_tidied: None,
            has_rejects: false,
        })
    }
}

/// Reads the file and sends its chunks. Ends early if the call has ended.
fn read(
    mut file: Box<dyn Read + Send>,
    source: &Source,
    sender: &mpsc::Sender<Vec<u8>>,
) -> Result<()> {
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        let read = file.by_ref().take(CHUNK as u64).read_to_end(&mut chunk);
        read.map_err(|error| {
            let what = format!("{} cannot be read", source.name());
            Error::new(ErrorKind::InvalidArgument, what).caused_by(error)
        })?;
        if chunk.is_empty() || sender.blocking_send(chunk).is_err() {
            return Ok(());
        }
    }
}

fn wire_format(format: ImportFormat) -> pb::ImportFormat {
    match format {
        ImportFormat::Ndjson => pb::ImportFormat::Ndjson,
        ImportFormat::Csv => pb::ImportFormat::Csv,
        ImportFormat::Json => pb::ImportFormat::Json,
        ImportFormat::Workbook => pb::ImportFormat::Workbook,
    }
}

fn table(reading: &ReadOptions) -> pb::ImportTable {
    pb::ImportTable {
        encoding: reading
            .encoding
            .map(|e| e.name().to_owned())
            .unwrap_or_default(),
        delimiter: reading.delimiter.map(Delimiter::name).unwrap_or_default(),
        sheet: reading.sheet.clone().unwrap_or_default(),
        target_separator: reading.target_separator.clone().unwrap_or_default(),
    }
}

fn read_as(reading: pb::ImportReading) -> ReadAs {
    let pb::ImportReading {
        encoding,
        likely_encoding,
        sheet,
        delimiter,
        renamed,
        ignored,
        blank_rows,
        has_no_header,
    } = reading;
    // An encoding that this version does not know, of a later service, is left out.
    let encoding_of = |name: &str| Encoding::parse(name).ok();
    let renamed = renamed
        .into_iter()
        .map(|read| (read.name, read.field.into()));
    ReadAs {
        encoding: encoding_of(&encoding).unwrap_or(Encoding::UTF_8),
        likely: encoding_of(&likely_encoding),
        sheet: Some(sheet).filter(|sheet| !sheet.is_empty()),
        delimiter: Delimiter::parse(&delimiter).ok(),
        has_no_header,
        renamed: renamed.collect(),
        ignored,
        blank_rows: blank_rows.unsigned_abs(),
    }
}

fn repaired(repairs: pb::ImportRepairs) -> Repairs {
    let pb::ImportRepairs {
        trimmed,
        digits,
        separators,
        short_rows,
        numbers,
        words,
        percents,
        local_times,
        time_numbers,
        defaults,
    } = repairs;
    Repairs {
        trimmed: trimmed.unsigned_abs(),
        digits: digits.unsigned_abs(),
        separators: separators.unsigned_abs(),
        short_rows: short_rows.unsigned_abs(),
        numbers: numbers.unsigned_abs(),
        words: words.unsigned_abs(),
        percents: percents.unsigned_abs(),
        local_times: local_times.unsigned_abs(),
        time_numbers: time_numbers.unsigned_abs(),
        defaults: defaults.unsigned_abs(),
    }
}
