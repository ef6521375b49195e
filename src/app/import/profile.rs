//! How the exports of other vendors are read: which of their names stand for which field, their words for statuses, where
//! the list is in a document, and what one record is.
//!
//! A profile knows only the names in its tables, so that a vendor's own `status` or `progress` of something else is not
//! taken for the task's. Explicit options come first: a field that `--map` names has none of the profile's names.

use super::{field::Field, format::ImportFormat, words};
use crate::domain::{fields::TaskField, status::TaskStatus};

/// A vendor whose exports are read as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Profile {
    /// Leads of VICIdial, one customer a row, which become one task for each campaign.
    Vicidial,
    /// Campaigns of Amazon Connect.
    AwsConnect,
    /// Job groups of Alibaba Cloud's outbound robot.
    AliyunOutbound,
    /// Campaigns of Genesys Cloud.
    Genesys,
}

/// Names of fields. A name with dots leads into the objects of a JSON record.
type Names = &'static [(TaskField, &'static [&'static str])];

const VICIDIAL: Names = &[
    (TaskField::TaskId, &["campaign_id"]),
    (TaskField::Name, &["campaign_name"]),
    (TaskField::Target, &["phone_number"]),
    // No export has these; people add them.
    (TaskField::StartTime, &["start_time"]),
    (TaskField::EndTime, &["end_time"]),
];

const AWS_CONNECT: Names = &[
    (TaskField::TaskId, &["id"]),
    (TaskField::Name, &["name"]),
    (TaskField::StartTime, &["schedule.startTime", "start_time"]),
    (TaskField::EndTime, &["schedule.endTime", "end_time"]),
    // The state comes from another call, and is often added to the record.
    (TaskField::Status, &["state"]),
    (TaskField::Target, &["target"]),
];

const ALIYUN_OUTBOUND: Names = &[
    (TaskField::TaskId, &["JobGroupId"]),
    (TaskField::Name, &["JobGroupName"]),
    (TaskField::StartTime, &["Strategy.StartTime"]),
    (TaskField::EndTime, &["Strategy.EndTime"]),
    (TaskField::Status, &["Status"]),
    (TaskField::CreatedAt, &["CreationTime"]),
    (TaskField::UpdatedAt, &["ModifyTime"]),
    (TaskField::Target, &["target"]),
];

const GENESYS: Names = &[
    (TaskField::TaskId, &["id"]),
    (TaskField::Name, &["name"]),
    (TaskField::Status, &["campaignStatus"]),
    (TaskField::CreatedAt, &["dateCreated"]),
    (TaskField::UpdatedAt, &["dateModified"]),
    // Schedules are other objects; people add their times.
    (TaskField::StartTime, &["start_time"]),
    (TaskField::EndTime, &["end_time"]),
    (TaskField::Target, &["target"]),
];

impl Profile {
    /// The vendor's name in messages.
    pub(super) fn vendor(self) -> &'static str {
        match self {
            Self::Vicidial => "VICIdial",
            Self::AwsConnect => "Amazon Connect",
            Self::AliyunOutbound => "Alibaba Cloud",
            Self::Genesys => "Genesys Cloud",
        }
    }

    /// The format of a file whose name does not tell it.
    pub fn format(self) -> ImportFormat {
        match self {
            Self::Vicidial => ImportFormat::Csv,
            Self::AwsConnect | Self::AliyunOutbound | Self::Genesys => ImportFormat::Json,
        }
    }

    fn names(self) -> Names {
        match self {
            Self::Vicidial => VICIDIAL,
            Self::AwsConnect => AWS_CONNECT,
            Self::AliyunOutbound => ALIYUN_OUTBOUND,
            Self::Genesys => GENESYS,
        }
    }

    /// The field that a header or JSON name stands for.
    pub(super) fn field(self, name: &str) -> Option<Field> {
        words::named(self.all_names().map(|(field, own)| (own, field)), name)
    }

    /// All names with their fields.
    pub(super) fn all_names<'n>(self) -> impl Iterator<Item = (Field, &'n str)> + Clone {
        let all = self.names().iter();
        all.flat_map(|(field, names)| names.iter().map(|name| (Field::Task(*field), *name)))
    }

    /// The status that a vendor's word stands for, if it is not a word that every file may have.
    pub(super) fn status(self, word: &str) -> Option<TaskStatus> {
        let words: &[(&str, TaskStatus)] = match self {
            Self::Vicidial => &[],
            Self::AwsConnect => &[("Initialized", TaskStatus::Pending)],
            Self::AliyunOutbound => &[
                ("Initializing", TaskStatus::Pending),
                ("Scheduling", TaskStatus::Pending),
                ("Executing", TaskStatus::Running),
            ],
            // A campaign that is off is not pending, because a scheduler starts what is pending.
            Self::Genesys => &[
                ("on", TaskStatus::Running),
                ("off", TaskStatus::Paused),
                ("stopping", TaskStatus::Paused),
                ("forced_off", TaskStatus::Paused),
                ("forced_stopping", TaskStatus::Paused),
                ("complete", TaskStatus::Completed),
                ("invalid", TaskStatus::Failed),
            ],
        };
        let found = words.iter().find(|(own, _)| words::is_same(own, word));
        found.map(|(_, status)| *status)
    }

    /// The paths to the records of a JSON document: of the answer with a list, and of the one about a single object.
    pub(super) fn roots(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Vicidial => &[],
            Self::AwsConnect => &[&["campaignSummaryList"], &["campaign"]],
            Self::AliyunOutbound => &[&["JobGroups", "List"], &["JobGroup"]],
            Self::Genesys => &[&["entities"]],
        }
    }

    /// Whether a record is one customer, and all records with the same `task_id` are one task.
    pub(super) fn is_grouped(self) -> bool {
        self == Self::Vicidial
    }
}
