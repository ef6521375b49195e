//! What the loaders of all imports do with bad records: report them, count them and set them apart.

use std::{path::PathBuf, sync::Arc};

use super::{
    batches::Batch, format::ImportFormat, progress::ImportProgress, rejects::Rejects,
    source::Source,
};
use crate::error::{Error, ErrorKind, Result, Violation};

/// Counts the records of an import, and takes the bad ones.
pub(super) struct Intake {
    progress: Arc<dyn ImportProgress>,
    rejects: Option<Rejects>,
    /// The number of records so far, including bad ones.
    records: u64,
    rejected: u64,
}

impl Intake {
    /// Writes bad records to `rejects`, if that is given. It is created here, so the input must have been opened before.
    pub(super) async fn new(
        progress: Arc<dyn ImportProgress>,
        rejects: Option<PathBuf>,
        format: ImportFormat,
        source: Option<&Source>,
    ) -> Result<Self> {
        let rejects = match rejects {
            Some(path) => Some(Rejects::create(&path, format, source).await?),
            None => None,
        };
        Ok(Self {
            progress,
            rejects,
            records: 0,
            rejected: 0,
        })
    }

    /// Takes the header of a batch.
    pub(super) fn begin<R>(&mut self, batch: &mut Batch<R>) {
        if let (Some(rejects), Some(header)) = (&mut self.rejects, batch.header.take()) {
            rejects.header(header);
        }
    }

    /// Counts a record.
    pub(super) fn record(&mut self) {
        self.records += 1;
    }

    /// Reports a bad record, which was counted, and writes it to the file of rejects.
    pub(super) async fn bad(
        &mut self,
        line: u64,
        raw: &[u8],
        violations: &[Violation],
    ) -> Result<()> {
        self.rejected += 1;
        self.progress.bad(line, self.records, violations);
        match &mut self.rejects {
            Some(rejects) => rejects.write(raw).await,
            None => Ok(()),
        }
    }

    /// Whether bad records are written to a file.
    pub(super) fn has_rejects(&self) -> bool {
        self.rejects.is_some()
    }

    /// Reports how many tasks are loaded so far.
    pub(super) fn loaded(&self, count: u64) {
        self.progress.loaded(count);
    }

    /// Completes the file of rejects, since the bad records must be stored before the good ones are committed. Returns the
    /// number of bad records, and INVALID_ARGUMENT if there are any and no such file.
    pub(super) async fn finish(self) -> Result<(u64, Option<Error>)> {
        let has_rejects = self.rejects.is_some();
        if let Some(rejects) = self.rejects {
            rejects.finish().await?;
        }
        let (bad, all) = (self.rejected, self.records);
        let refusal = (bad > 0 && !has_rejects).then(|| {
            let what = format!("{bad} of {all} records are bad, so nothing was loaded");
            Error::new(ErrorKind::InvalidArgument, what)
        });
        Ok((bad, refusal))
    }
}
