//! What messages about a file call the options of its import: a command has flags, a call has the fields of its request.
//!
//! The input decides, in [`Input::option_names`](super::source::Input::option_names). A command that sends its file to a
//! service translates the service's messages by [`with_flags`].

use strum::VariantArray;

/// Who gave the options.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum OptionNames {
    /// A command.
    #[default]
    Flags,
    /// A call.
    Fields,
}

/// What messages advise to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray)]
pub(super) enum Advised {
    Column,
    Default,
    DropResults,
    Header,
    IgnoreUnknown,
    Map,
    Root,
    Task,
    TaskColumn,
    /// The import of customers into tasks that exist.
    TargetImport,
}

impl Advised {
    /// The flag of a command, and the field of a request. No field may be the beginning of another one.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Column => ("--column", "options.column"),
            Self::Default => ("--default", "options.defaults"),
            Self::DropResults => ("--drop-results", "options.drop_results"),
            Self::Header => ("--header yes", "options.header true"),
            Self::IgnoreUnknown => ("--ignore-unknown", "options.ignore_unknown"),
            Self::Map => ("--map", "options.field_names"),
            Self::Root => ("--root", "options.root"),
            Self::Task => ("--task", "options.task_id"),
            Self::TaskColumn => ("--task-column", "options.task_column"),
            Self::TargetImport => ("targets import", "ImportTaskTargets"),
        }
    }
}

impl OptionNames {
    /// The name in messages.
    pub(super) fn of(self, advised: Advised) -> &'static str {
        let (flag, field) = advised.names();
        match self {
            Self::Flags => flag,
            Self::Fields => field,
        }
    }
}

/// A message of a service with the flags of a command instead of the fields of the request.
pub fn with_flags(message: &str) -> String {
    let all = Advised::VARIANTS.iter().map(|advised| advised.names());
    all.fold(message.to_owned(), |message, (flag, field)| {
        message.replace(field, flag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_translated_as_a_whole() {
        for advised in Advised::VARIANTS {
            let [flag, field] =
                [OptionNames::Flags, OptionNames::Fields].map(|names| names.of(*advised));
            assert_eq!(
                with_flags(&format!("as {field} says")),
                format!("as {flag} says")
            );
        }
    }
}
