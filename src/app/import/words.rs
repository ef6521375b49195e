//! The words of other programs: names of fields and of statuses, compared without case, width, blanks and punctuation.

use std::sync::LazyLock;

use crate::domain::{fields::TaskField, status::TaskStatus, words::Word};

use super::field::Field;

/// Headers of Chinese files.
const HEADERS: [(TaskField, &[&str]); 10] = [
    (TaskField::TaskId, &["任务ID", "任务编号"]),
    (TaskField::Name, &["任务名称", "活动名称", "名称"]),
    (
        TaskField::Target,
        &[
            "客户",
            "目标客户群",
            "外呼对象",
            "呼叫目标",
            "外呼号码",
            "手机号",
            "手机号码",
            "号码",
            "电话",
            "电话号码",
        ],
    ),
    (
        TaskField::StartTime,
        &["开始时间", "预计开始时间", "计划开始时间"],
    ),
    (
        TaskField::EndTime,
        &["结束时间", "预计结束时间", "计划结束时间"],
    ),
    (TaskField::Status, &["状态", "当前状态", "任务状态"]),
    (TaskField::Progress, &["进度", "完成率", "完成进度"]),
    (TaskField::CreatedAt, &["创建时间"]),
    (TaskField::UpdatedAt, &["更新时间"]),
    (TaskField::Labels, &["标签", "任务标签"]),
];

/// Words for statuses, besides our own English and Chinese ones and the names of the enum.
const STATUSES: [(TaskStatus, &[&str]); 6] = [
    (
        TaskStatus::Pending,
        &["未启动", "未开始", "待开始", "待执行", "draft", "scheduled"],
    ),
    (
        TaskStatus::Running,
        // The specification's example calls a running task active.
        &["进行中", "执行中", "in progress", "active"],
    ),
    (TaskStatus::Paused, &["暂停", "暂停中"]),
    (
        TaskStatus::Completed,
        &["完成", "已结束", "finished", "done"],
    ),
    (
        TaskStatus::Stopped,
        &["终止", "停止", "已停止", "已取消", "cancelled", "canceled"],
    ),
    (TaskStatus::Failed, &["执行失败", "error"]),
];

/// The prefix of the names of the enum, folded.
const ENUM_PREFIX: &str = "taskstatus";

static FIELD_WORDS: LazyLock<Vec<(String, Field)>> = LazyLock::new(|| {
    let own = Field::all().map(|field| (folded(field.name()), field));
    let other = HEADERS
        .iter()
        .flat_map(|(field, words)| words.iter().map(|word| (folded(word), Field::Task(*field))));
    own.chain(other).collect()
});

static STATUS_WORDS: LazyLock<Vec<(String, TaskStatus)>> = LazyLock::new(|| {
    let own = TaskStatus::all().flat_map(|s| [(folded(s.word()), s), (folded(s.chinese()), s)]);
    let other = STATUSES
        .iter()
        .flat_map(|(status, words)| words.iter().map(|word| (folded(word), *status)));
    own.chain(other).collect()
});

/// The field that a header names; a unit in brackets at its end is left aside.
pub(super) fn field(header: &str) -> Option<Field> {
    let folded = folded(without_unit(header));
    let found = FIELD_WORDS.iter().find(|(word, _)| *word == folded);
    found.map(|(_, field)| *field)
}

/// The status that a word names.
pub(super) fn status(word: &str) -> Option<TaskStatus> {
    let folded = folded(word);
    let word = folded.strip_prefix(ENUM_PREFIX).unwrap_or(&folded);
    let found = STATUS_WORDS.iter().find(|(known, _)| known == word);
    found.map(|(_, status)| *status)
}

/// The status with this name in the enum.
pub(super) fn of_enum(name: &str) -> Option<TaskStatus> {
    let word = name.strip_prefix("TASK_STATUS_")?.to_ascii_lowercase();
    TaskStatus::from_word(&word)
}

/// Whether two names are the same, case, width, blanks and punctuation aside.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    if one.trim() == other.trim() {
        return true;
    }
    let folded = folded(one);
    !folded.is_empty() && folded == self::folded(other)
}

/// What a name stands for among names: the one that is exactly it, or else the first that is the same.
pub(super) fn named<'n, T>(
    names: impl Iterator<Item = (&'n str, T)> + Clone,
    name: &str,
) -> Option<T> {
    let exact = names.clone().find(|(known, _)| known.trim() == name.trim());
    let found = exact.or_else(|| names.into_iter().find(|(known, _)| is_same(known, name)));
    found.map(|(_, named)| named)
}

/// The letters and digits of a text, in lower case and half width.
pub(super) fn folded(text: &str) -> String {
    let chars = text.chars().map(half_width).filter(|c| c.is_alphanumeric());
    chars.flat_map(char::to_lowercase).collect()
}

/// The half-width form of a full-width ASCII character; any other character unchanged.
pub(super) fn half_width(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        c => c,
    }
}

/// A header without what stands in brackets at its end.
fn without_unit(header: &str) -> &str {
    let header = header.trim_end();
    let closes = header.ends_with([')', '）', ']', '】']);
    match header.rfind(['(', '（', '[', '【']) {
        Some(at) if closes && at > 0 => &header[..at],
        _ => header,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_recognized_in_any_case_spacing_and_width() {
        for (header, name) in [
            ("Task_ID", "task_id"),
            (" task id ", "task_id"),
            ("startTime", "start_time"),
            ("START-TIME", "start_time"),
            ("任务ＩＤ", "task_id"),
            ("任务id", "task_id"),
            ("进度(%)", "progress"),
            ("进度（%）", "progress"),
            ("Progress [%]", "progress"),
            ("手机号", "target"),
            ("预计开始时间", "start_time"),
            ("Target Results", "target_results"),
        ] {
            assert_eq!(field(header).map(Field::name), Some(name), "{header}");
        }
        for header in ["", "(%)", "targets", "姓名", "time"] {
            assert_eq!(field(header), None, "{header}");
        }
    }

    #[test]
    fn statuses_are_recognized_in_other_words() {
        for (word, wanted) in [
            ("TASK_STATUS_RUNNING", TaskStatus::Running),
            ("In Progress", TaskStatus::Running),
            ("IN_PROGRESS", TaskStatus::Running),
            ("active", TaskStatus::Running),
            ("进行中", TaskStatus::Running),
            ("待执行", TaskStatus::Pending),
            ("Scheduled", TaskStatus::Pending),
            ("暂停中", TaskStatus::Paused),
            ("已结束", TaskStatus::Completed),
            ("Canceled", TaskStatus::Stopped),
            ("执行失败", TaskStatus::Failed),
            ("ERROR", TaskStatus::Failed),
        ] {
            assert_eq!(status(word), Some(wanted), "{word}");
        }
        for word in ["", "asleep", "task_status_", "TASK_STATUS_UNSPECIFIED", "1"] {
            assert_eq!(status(word), None, "{word}");
        }
    }
}
