// Error messages in English and Chinese: one sentence for each error name of the API. The types guarantee that none is
// missing, so a new name in the API without sentences here fails `npm run check`.

import type { Code, ErrorReason, ServiceReason, ViolationReason } from "@outbound-tasks/client";

/** The names of an enum of the API, without UNSPECIFIED. */
type Names<T> = Exclude<keyof T, "UNSPECIFIED">;

interface Texts {
  /** What is wrong with a field; the sentence continues after the field's name. */
  violations: Record<Names<typeof ViolationReason>, string>;
  /** Why a call was rejected. */
  errors: Record<Names<typeof ErrorReason>, string>;
  /** Why a call failed, if only the status code is known. */
  codes: Record<keyof typeof Code, string>;
  /** Why the service itself changed a task. */
  services: Record<Names<typeof ServiceReason>, string>;
}

const en: Texts = {
  violations: {
    REQUIRED: "is required.",
    OUT_OF_RANGE: "must be {range}, was {actual}.",
    LENGTH_OUT_OF_RANGE: "must be {range} characters long, was {actual}.",
    COUNT_OUT_OF_RANGE: "must have {range} values, had {actual}.",
    FORBIDDEN_CHARACTER: "contains a character that is not allowed: {character}.",
    NOT_UTF8: "is not valid UTF-8.",
    UNKNOWN_VALUE: "has an unknown value: {actual}. Allowed: {allowed}{enum}.",
    UNKNOWN_FIELD: "names an unknown field: {actual}{allowed}.",
    UNKNOWN_PARAMETER: "is not a known parameter.",
    NOT_A_NUMBER: "must be a whole number, was {actual}.",
    NOT_A_TIME: "must be a time, was {actual}.",
    TIME_OUT_OF_RANGE: "must be in the years {range}.",
    END_BEFORE_START: "ends before it starts.",
    REPEATED: "is given more than once.",
    EXCLUDES: "cannot be combined with {others}.",
    MALFORMED: "does not have the expected form.",
    DIFFERS_FROM_FIRST_MESSAGE: "differs from the first message.",
    TOKEN_DAMAGED: "is damaged, or was issued to someone else.",
    TOKEN_OF_ANOTHER_VERSION: "is from another version. Start again.",
    TOKEN_OF_ANOTHER_QUERY: "belongs to another list. Start again.",
    INVALID_RECORD: "is not valid: {description}",
    PAGE_TOO_LARGE: "makes the page too large. Request less.",
    DAMAGED_VALUE: "was changed by a spreadsheet, a blank or a wrong separator: {actual}.",
  },
  errors: {
    TRANSITION_NOT_ALLOWED: "The status of the task does not allow this.",
    TASK_ENDED: "The task has ended.",
    TOO_MANY_MATCHES: "Too many tasks match: {matched_count}. Narrow the filter.",
    COUNT_NOT_AS_EXPECTED: "{count} tasks would change, which is not the expected number. Nothing was changed.",
    SEPARATOR_IN_CUSTOMER_ID: "A customer id contains a semicolon: {customer_id}.",
    ETAG_MISMATCH: "The task has been changed meanwhile. Check it again.",
    IDEMPOTENCY_KEY_REUSED: "This request id was already used for another request. Try again.",
    SCOPE_MISSING: "This key is not allowed to do this.",
    MESSAGE_TOO_LARGE: "The request is too large.",
    OVERLOADED: "The service is busy. Retrying…",
    DATABASE_UNAVAILABLE: "The service cannot reach its database. Retrying…",
    DATABASE_BUSY: "The service's database is busy. Retrying…",
    STOPPING: "The service is restarting. Retrying…",
    DATABASE_READ_ONLY: "The service cannot change anything at the moment: its database is read-only. Try again later.",
    DATABASE_CONFLICT: "Another change happened at the same time. Try again.",
    OUTCOME_UNREADABLE: "This was already done, but its result cannot be read. Check the task again.",
    TASK_REPLACED: "The task was deleted and created again meanwhile. No customer was added.",
    ANSWERS_UNREAD: "Too many responses have not been received yet. Try again.",
    ANSWER_TOO_LARGE: "The response would be too large. Request less.",
    CLIENT_IDLE: "Nothing was sent or read for too long. Try again.",
    QUOTA_USED_UP: "This key has used up its quota. Try again later.",
    DEADLINE_TOO_SHORT: "The time allowed for the request is too short.",
    TOO_MANY_FAILED_KEYS: "The key is not valid, and too many wrong keys were sent. Check the key, and try again later.",
    IMPORT_TOO_LARGE: "The file is too large.",
  },
  codes: {
    Canceled: "The request was cancelled.",
    Unknown: "Something went wrong.",
    InvalidArgument: "The request is invalid:",
    DeadlineExceeded: "It took too long. Narrow the list, and try again.",
    NotFound: "It does not exist.",
    AlreadyExists: "It exists already.",
    PermissionDenied: "This key is not allowed to do this.",
    ResourceExhausted: "This exceeds a limit of the service. Try again later.",
    FailedPrecondition: "This is not possible at the moment.",
    Aborted: "Another change happened at the same time. Try again.",
    OutOfRange: "The value is out of range.",
    Unimplemented: "The service does not support this.",
    Internal: "The service failed to process the request.",
    Unavailable: "The service cannot be reached. Retrying…",
    DataLoss: "Data was lost.",
    Unauthenticated: "The key is no longer accepted.",
  },
  services: {
    START_TIME_CAME: "The start time was reached",
    END_TIME_PASSED: "The end time was reached",
    END_TIME_PASSED_UNSTARTED: "The end time was reached before the task was started",
  },
};

const zh: Texts = {
  violations: {
    REQUIRED: "必须填写。",
    OUT_OF_RANGE: "必须为 {range}，实际为 {actual}。",
    LENGTH_OUT_OF_RANGE: "长度必须为 {range} 个字符，实际为 {actual} 个。",
    COUNT_OUT_OF_RANGE: "数量必须为 {range}，实际为 {actual}。",
    FORBIDDEN_CHARACTER: "含有不允许的字符：{character}。",
    NOT_UTF8: "不是有效的 UTF-8 文本。",
    UNKNOWN_VALUE: "值无法识别：{actual}。可用的值：{allowed}{enum}。",
    UNKNOWN_FIELD: "字段不存在：{actual}{allowed}。",
    UNKNOWN_PARAMETER: "参数不存在。",
    NOT_A_NUMBER: "必须是整数，实际为 {actual}。",
    NOT_A_TIME: "必须是时间（年份在前，如 2030-03-01 09:00），实际为 {actual}。",
    TIME_OUT_OF_RANGE: "必须在公元 {range} 年之间。",
    END_BEFORE_START: "结束时间早于开始时间。",
    REPEATED: "重复出现。",
    EXCLUDES: "不能与 {others} 同时使用。",
    MALFORMED: "格式不正确。",
    DIFFERS_FROM_FIRST_MESSAGE: "与第一条消息不一致。",
    TOKEN_DAMAGED: "已损坏，或不属于您。",
    TOKEN_OF_ANOTHER_VERSION: "版本不符，请重新开始。",
    TOKEN_OF_ANOTHER_QUERY: "属于另一个列表，请重新开始。",
    INVALID_RECORD: "无效：{description}",
    PAGE_TOO_LARGE: "使页面过大，请减少数量。",
    DAMAGED_VALUE: "的值 {actual} 被表格软件、空格或错误的分隔符改动过，请核对原值后重新填写。",
  },
  errors: {
    TRANSITION_NOT_ALLOWED: "任务现在的状态不允许此操作。",
    TASK_ENDED: "任务已结束。",
    TOO_MANY_MATCHES: "符合条件的任务过多：{matched_count} 个。请缩小筛选范围。",
    COUNT_NOT_AS_EXPECTED: "将更改 {count} 个任务，与预期不符，未作任何更改。",
    SEPARATOR_IN_CUSTOMER_ID: "客户编号含有分号：{customer_id}。",
    ETAG_MISMATCH: "任务已被他人更改，请重新查看。",
    IDEMPOTENCY_KEY_REUSED: "此请求标识已用于其他请求，请重试。",
    SCOPE_MISSING: "此密钥没有相应权限。",
    MESSAGE_TOO_LARGE: "请求过大。",
    OVERLOADED: "服务繁忙，正在重试…",
    DATABASE_UNAVAILABLE: "服务无法连接数据库，正在重试…",
    DATABASE_BUSY: "服务的数据库繁忙，正在重试…",
    STOPPING: "服务正在重启，正在重试…",
    DATABASE_READ_ONLY: "服务的数据库现为只读，暂时无法更改，请稍后重试。",
    DATABASE_CONFLICT: "同时有其他更改，请重试。",
    OUTCOME_UNREADABLE: "此操作已完成，但无法读取其结果，请重新查看任务。",
    TASK_REPLACED: "任务已被删除并重新创建，未添加任何客户。",
    ANSWERS_UNREAD: "尚有过多结果未被接收，请重试。",
    ANSWER_TOO_LARGE: "结果过大，请减少数量。",
    CLIENT_IDLE: "长时间没有收发数据，请重试。",
    QUOTA_USED_UP: "此密钥的配额已用完，请稍后重试。",
    DEADLINE_TOO_SHORT: "请求允许的时间过短。",
    TOO_MANY_FAILED_KEYS: "密钥无效，且错误密钥过多。请检查密钥，稍后重试。",
    IMPORT_TOO_LARGE: "文件过大。",
  },
  codes: {
    Canceled: "操作已取消。",
    Unknown: "出现错误。",
    InvalidArgument: "请求有误：",
    DeadlineExceeded: "处理时间过长。请缩小列表范围后重试。",
    NotFound: "内容不存在。",
    AlreadyExists: "内容已存在。",
    PermissionDenied: "此密钥没有相应权限。",
    ResourceExhausted: "超出服务当前的限制，请稍后重试。",
    FailedPrecondition: "目前无法执行此操作。",
    Aborted: "同时有其他更改，请重试。",
    OutOfRange: "超出范围。",
    Unimplemented: "服务不支持此操作。",
    Internal: "服务处理失败。",
    Unavailable: "无法连接服务，正在重试…",
    DataLoss: "数据丢失。",
    Unauthenticated: "密钥已失效。",
  },
  services: {
    START_TIME_CAME: "已到开始时间",
    END_TIME_PASSED: "已过结束时间",
    END_TIME_PASSED_UNSTARTED: "任务未启动，已过结束时间",
  },
};

export const ERROR_WORDS = { en, zh };
