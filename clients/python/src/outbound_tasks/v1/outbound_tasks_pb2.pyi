import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ServiceReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SERVICE_REASON_UNSPECIFIED: _ClassVar[ServiceReason]
    SERVICE_REASON_START_TIME_CAME: _ClassVar[ServiceReason]
    SERVICE_REASON_END_TIME_PASSED: _ClassVar[ServiceReason]
    SERVICE_REASON_END_TIME_PASSED_UNSTARTED: _ClassVar[ServiceReason]

class TaskAttention(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_ATTENTION_UNSPECIFIED: _ClassVar[TaskAttention]
    TASK_ATTENTION_OVERDUE: _ClassVar[TaskAttention]
    TASK_ATTENTION_STALLED: _ClassVar[TaskAttention]
    TASK_ATTENTION_FINISHED_UNENDED: _ClassVar[TaskAttention]
    TASK_ATTENTION_UNSTARTED: _ClassVar[TaskAttention]
    TASK_ATTENTION_EMPTY: _ClassVar[TaskAttention]

class TaskAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_ACTION_UNSPECIFIED: _ClassVar[TaskAction]
    TASK_ACTION_START: _ClassVar[TaskAction]
    TASK_ACTION_PAUSE: _ClassVar[TaskAction]
    TASK_ACTION_RESUME: _ClassVar[TaskAction]
    TASK_ACTION_STOP: _ClassVar[TaskAction]
    TASK_ACTION_COMPLETE: _ClassVar[TaskAction]
    TASK_ACTION_FAIL: _ClassVar[TaskAction]

class TaskStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_STATUS_UNSPECIFIED: _ClassVar[TaskStatus]
    TASK_STATUS_PENDING: _ClassVar[TaskStatus]
    TASK_STATUS_RUNNING: _ClassVar[TaskStatus]
    TASK_STATUS_PAUSED: _ClassVar[TaskStatus]
    TASK_STATUS_COMPLETED: _ClassVar[TaskStatus]
    TASK_STATUS_STOPPED: _ClassVar[TaskStatus]
    TASK_STATUS_FAILED: _ClassVar[TaskStatus]

class TaskOrderBy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_ORDER_BY_UNSPECIFIED: _ClassVar[TaskOrderBy]
    TASK_ORDER_BY_START_TIME: _ClassVar[TaskOrderBy]
    TASK_ORDER_BY_TASK_ID: _ClassVar[TaskOrderBy]
    TASK_ORDER_BY_END_TIME: _ClassVar[TaskOrderBy]
    TASK_ORDER_BY_CREATED_AT: _ClassVar[TaskOrderBy]
    TASK_ORDER_BY_UPDATED_AT: _ClassVar[TaskOrderBy]
    TASK_ORDER_BY_NAME: _ClassVar[TaskOrderBy]
    TASK_ORDER_BY_PROGRESS: _ClassVar[TaskOrderBy]

class SortOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SORT_ORDER_UNSPECIFIED: _ClassVar[SortOrder]
    SORT_ORDER_ASC: _ClassVar[SortOrder]
    SORT_ORDER_DESC: _ClassVar[SortOrder]

class TaskDateField(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_DATE_FIELD_UNSPECIFIED: _ClassVar[TaskDateField]
    TASK_DATE_FIELD_START_TIME: _ClassVar[TaskDateField]
    TASK_DATE_FIELD_END_TIME: _ClassVar[TaskDateField]
    TASK_DATE_FIELD_CREATED_AT: _ClassVar[TaskDateField]
    TASK_DATE_FIELD_UPDATED_AT: _ClassVar[TaskDateField]
    TASK_DATE_FIELD_WINDOW: _ClassVar[TaskDateField]

class CountMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COUNT_MODE_UNSPECIFIED: _ClassVar[CountMode]
    COUNT_MODE_EXACT: _ClassVar[CountMode]
    COUNT_MODE_NONE: _ClassVar[CountMode]

class TargetState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TARGET_STATE_UNSPECIFIED: _ClassVar[TargetState]
    TARGET_STATE_PENDING: _ClassVar[TargetState]
    TARGET_STATE_ANSWERED: _ClassVar[TargetState]
    TARGET_STATE_NO_ANSWER: _ClassVar[TargetState]
    TARGET_STATE_BUSY: _ClassVar[TargetState]
    TARGET_STATE_FAILED: _ClassVar[TargetState]
    TARGET_STATE_SKIPPED: _ClassVar[TargetState]

class TaskEventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_EVENT_KIND_UNSPECIFIED: _ClassVar[TaskEventKind]
    TASK_EVENT_KIND_CREATED: _ClassVar[TaskEventKind]
    TASK_EVENT_KIND_UPDATED: _ClassVar[TaskEventKind]
    TASK_EVENT_KIND_DELETED: _ClassVar[TaskEventKind]
    TASK_EVENT_KIND_STARTED: _ClassVar[TaskEventKind]
    TASK_EVENT_KIND_PAUSED: _ClassVar[TaskEventKind]
    TASK_EVENT_KIND_RESUMED: _ClassVar[TaskEventKind]
    TASK_EVENT_KIND_STOPPED: _ClassVar[TaskEventKind]
    TASK_EVENT_KIND_COMPLETED: _ClassVar[TaskEventKind]
    TASK_EVENT_KIND_FAILED: _ClassVar[TaskEventKind]
    TASK_EVENT_KIND_TARGETS_ADDED: _ClassVar[TaskEventKind]
    TASK_EVENT_KIND_TARGETS_REMOVED: _ClassVar[TaskEventKind]
    TASK_EVENT_KIND_RESULTS_REPORTED: _ClassVar[TaskEventKind]

class TaskChangeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_CHANGE_KIND_UNSPECIFIED: _ClassVar[TaskChangeKind]
    TASK_CHANGE_KIND_INITIAL: _ClassVar[TaskChangeKind]
    TASK_CHANGE_KIND_CREATED: _ClassVar[TaskChangeKind]
    TASK_CHANGE_KIND_CHANGED: _ClassVar[TaskChangeKind]
    TASK_CHANGE_KIND_REMOVED: _ClassVar[TaskChangeKind]

class QuotaUnit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    QUOTA_UNIT_UNSPECIFIED: _ClassVar[QuotaUnit]
    QUOTA_UNIT_CALLS: _ClassVar[QuotaUnit]
    QUOTA_UNIT_DATABASE_MILLISECONDS: _ClassVar[QuotaUnit]

class ImportFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IMPORT_FORMAT_UNSPECIFIED: _ClassVar[ImportFormat]
    IMPORT_FORMAT_NDJSON: _ClassVar[ImportFormat]
    IMPORT_FORMAT_CSV: _ClassVar[ImportFormat]
    IMPORT_FORMAT_JSON: _ClassVar[ImportFormat]
    IMPORT_FORMAT_WORKBOOK: _ClassVar[ImportFormat]

class ImportConflict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IMPORT_CONFLICT_UNSPECIFIED: _ClassVar[ImportConflict]
    IMPORT_CONFLICT_FAIL: _ClassVar[ImportConflict]
    IMPORT_CONFLICT_SKIP: _ClassVar[ImportConflict]
    IMPORT_CONFLICT_REPLACE: _ClassVar[ImportConflict]
SERVICE_REASON_UNSPECIFIED: ServiceReason
SERVICE_REASON_START_TIME_CAME: ServiceReason
SERVICE_REASON_END_TIME_PASSED: ServiceReason
SERVICE_REASON_END_TIME_PASSED_UNSTARTED: ServiceReason
TASK_ATTENTION_UNSPECIFIED: TaskAttention
TASK_ATTENTION_OVERDUE: TaskAttention
TASK_ATTENTION_STALLED: TaskAttention
TASK_ATTENTION_FINISHED_UNENDED: TaskAttention
TASK_ATTENTION_UNSTARTED: TaskAttention
TASK_ATTENTION_EMPTY: TaskAttention
TASK_ACTION_UNSPECIFIED: TaskAction
TASK_ACTION_START: TaskAction
TASK_ACTION_PAUSE: TaskAction
TASK_ACTION_RESUME: TaskAction
TASK_ACTION_STOP: TaskAction
TASK_ACTION_COMPLETE: TaskAction
TASK_ACTION_FAIL: TaskAction
TASK_STATUS_UNSPECIFIED: TaskStatus
TASK_STATUS_PENDING: TaskStatus
TASK_STATUS_RUNNING: TaskStatus
TASK_STATUS_PAUSED: TaskStatus
TASK_STATUS_COMPLETED: TaskStatus
TASK_STATUS_STOPPED: TaskStatus
TASK_STATUS_FAILED: TaskStatus
TASK_ORDER_BY_UNSPECIFIED: TaskOrderBy
TASK_ORDER_BY_START_TIME: TaskOrderBy
TASK_ORDER_BY_TASK_ID: TaskOrderBy
TASK_ORDER_BY_END_TIME: TaskOrderBy
TASK_ORDER_BY_CREATED_AT: TaskOrderBy
TASK_ORDER_BY_UPDATED_AT: TaskOrderBy
TASK_ORDER_BY_NAME: TaskOrderBy
TASK_ORDER_BY_PROGRESS: TaskOrderBy
SORT_ORDER_UNSPECIFIED: SortOrder
SORT_ORDER_ASC: SortOrder
SORT_ORDER_DESC: SortOrder
TASK_DATE_FIELD_UNSPECIFIED: TaskDateField
TASK_DATE_FIELD_START_TIME: TaskDateField
TASK_DATE_FIELD_END_TIME: TaskDateField
TASK_DATE_FIELD_CREATED_AT: TaskDateField
TASK_DATE_FIELD_UPDATED_AT: TaskDateField
TASK_DATE_FIELD_WINDOW: TaskDateField
COUNT_MODE_UNSPECIFIED: CountMode
COUNT_MODE_EXACT: CountMode
COUNT_MODE_NONE: CountMode
TARGET_STATE_UNSPECIFIED: TargetState
TARGET_STATE_PENDING: TargetState
TARGET_STATE_ANSWERED: TargetState
TARGET_STATE_NO_ANSWER: TargetState
TARGET_STATE_BUSY: TargetState
TARGET_STATE_FAILED: TargetState
TARGET_STATE_SKIPPED: TargetState
TASK_EVENT_KIND_UNSPECIFIED: TaskEventKind
TASK_EVENT_KIND_CREATED: TaskEventKind
TASK_EVENT_KIND_UPDATED: TaskEventKind
TASK_EVENT_KIND_DELETED: TaskEventKind
TASK_EVENT_KIND_STARTED: TaskEventKind
TASK_EVENT_KIND_PAUSED: TaskEventKind
TASK_EVENT_KIND_RESUMED: TaskEventKind
TASK_EVENT_KIND_STOPPED: TaskEventKind
TASK_EVENT_KIND_COMPLETED: TaskEventKind
TASK_EVENT_KIND_FAILED: TaskEventKind
TASK_EVENT_KIND_TARGETS_ADDED: TaskEventKind
TASK_EVENT_KIND_TARGETS_REMOVED: TaskEventKind
TASK_EVENT_KIND_RESULTS_REPORTED: TaskEventKind
TASK_CHANGE_KIND_UNSPECIFIED: TaskChangeKind
TASK_CHANGE_KIND_INITIAL: TaskChangeKind
TASK_CHANGE_KIND_CREATED: TaskChangeKind
TASK_CHANGE_KIND_CHANGED: TaskChangeKind
TASK_CHANGE_KIND_REMOVED: TaskChangeKind
QUOTA_UNIT_UNSPECIFIED: QuotaUnit
QUOTA_UNIT_CALLS: QuotaUnit
QUOTA_UNIT_DATABASE_MILLISECONDS: QuotaUnit
IMPORT_FORMAT_UNSPECIFIED: ImportFormat
IMPORT_FORMAT_NDJSON: ImportFormat
IMPORT_FORMAT_CSV: ImportFormat
IMPORT_FORMAT_JSON: ImportFormat
IMPORT_FORMAT_WORKBOOK: ImportFormat
IMPORT_CONFLICT_UNSPECIFIED: ImportConflict
IMPORT_CONFLICT_FAIL: ImportConflict
IMPORT_CONFLICT_SKIP: ImportConflict
IMPORT_CONFLICT_REPLACE: ImportConflict

class OutboundTask(_message.Message):
    __slots__ = ("task_id", "name", "target", "start_time", "end_time", "status", "progress", "created_at", "updated_at", "target_count", "allowed_actions", "status_reason", "status_changed_at", "target_counts", "etag", "status_reason_code", "labels", "copied_from", "last_result_at")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    TARGET_COUNT_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_ACTIONS_FIELD_NUMBER: _ClassVar[int]
    STATUS_REASON_FIELD_NUMBER: _ClassVar[int]
    STATUS_CHANGED_AT_FIELD_NUMBER: _ClassVar[int]
    TARGET_COUNTS_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    STATUS_REASON_CODE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    COPIED_FROM_FIELD_NUMBER: _ClassVar[int]
    LAST_RESULT_AT_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    name: str
    target: _containers.RepeatedScalarFieldContainer[str]
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    status: TaskStatus
    progress: int
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    target_count: int
    allowed_actions: _containers.RepeatedScalarFieldContainer[TaskAction]
    status_reason: str
    status_changed_at: _timestamp_pb2.Timestamp
    target_counts: TargetCounts
    etag: str
    status_reason_code: ServiceReason
    labels: _containers.ScalarMap[str, str]
    copied_from: str
    last_result_at: _timestamp_pb2.Timestamp
    def __init__(self, task_id: _Optional[str] = ..., name: _Optional[str] = ..., target: _Optional[_Iterable[str]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., status: _Optional[_Union[TaskStatus, str]] = ..., progress: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., target_count: _Optional[int] = ..., allowed_actions: _Optional[_Iterable[_Union[TaskAction, str]]] = ..., status_reason: _Optional[str] = ..., status_changed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., target_counts: _Optional[_Union[TargetCounts, _Mapping]] = ..., etag: _Optional[str] = ..., status_reason_code: _Optional[_Union[ServiceReason, str]] = ..., labels: _Optional[_Mapping[str, str]] = ..., copied_from: _Optional[str] = ..., last_result_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class TargetCounts(_message.Message):
    __slots__ = ("pending", "answered", "no_answer", "busy", "failed", "skipped")
    PENDING_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_FIELD_NUMBER: _ClassVar[int]
    NO_ANSWER_FIELD_NUMBER: _ClassVar[int]
    BUSY_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    pending: int
    answered: int
    no_answer: int
    busy: int
    failed: int
    skipped: int
    def __init__(self, pending: _Optional[int] = ..., answered: _Optional[int] = ..., no_answer: _Optional[int] = ..., busy: _Optional[int] = ..., failed: _Optional[int] = ..., skipped: _Optional[int] = ...) -> None: ...

class DateRange(_message.Message):
    __slots__ = ("start", "end")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    start: _timestamp_pb2.Timestamp
    end: _timestamp_pb2.Timestamp
    def __init__(self, start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListOutboundTasksRequest(_message.Message):
    __slots__ = ("page", "limit", "status", "date_range", "order_by", "order", "page_token", "date_field", "target_limit", "status_counts", "customer_id", "name", "task_ids", "read_mask", "count", "label", "target_sums", "attention", "stalled_after", "attention_counts")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DATE_RANGE_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    DATE_FIELD_FIELD_NUMBER: _ClassVar[int]
    TARGET_LIMIT_FIELD_NUMBER: _ClassVar[int]
    STATUS_COUNTS_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    TARGET_SUMS_FIELD_NUMBER: _ClassVar[int]
    ATTENTION_FIELD_NUMBER: _ClassVar[int]
    STALLED_AFTER_FIELD_NUMBER: _ClassVar[int]
    ATTENTION_COUNTS_FIELD_NUMBER: _ClassVar[int]
    page: int
    limit: int
    status: _containers.RepeatedScalarFieldContainer[TaskStatus]
    date_range: DateRange
    order_by: TaskOrderBy
    order: SortOrder
    page_token: str
    date_field: TaskDateField
    target_limit: int
    status_counts: bool
    customer_id: str
    name: str
    task_ids: _containers.RepeatedScalarFieldContainer[str]
    read_mask: _field_mask_pb2.FieldMask
    count: CountMode
    label: _containers.RepeatedScalarFieldContainer[str]
    target_sums: bool
    attention: _containers.RepeatedScalarFieldContainer[TaskAttention]
    stalled_after: _duration_pb2.Duration
    attention_counts: bool
    def __init__(self, page: _Optional[int] = ..., limit: _Optional[int] = ..., status: _Optional[_Iterable[_Union[TaskStatus, str]]] = ..., date_range: _Optional[_Union[DateRange, _Mapping]] = ..., order_by: _Optional[_Union[TaskOrderBy, str]] = ..., order: _Optional[_Union[SortOrder, str]] = ..., page_token: _Optional[str] = ..., date_field: _Optional[_Union[TaskDateField, str]] = ..., target_limit: _Optional[int] = ..., status_counts: bool = ..., customer_id: _Optional[str] = ..., name: _Optional[str] = ..., task_ids: _Optional[_Iterable[str]] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., count: _Optional[_Union[CountMode, str]] = ..., label: _Optional[_Iterable[str]] = ..., target_sums: bool = ..., attention: _Optional[_Iterable[_Union[TaskAttention, str]]] = ..., stalled_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., attention_counts: bool = ...) -> None: ...

class ListOutboundTasksResponse(_message.Message):
    __slots__ = ("total", "tasks", "next_page_token", "as_of", "status_counts", "target_sums", "attention_counts")
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    STATUS_COUNTS_FIELD_NUMBER: _ClassVar[int]
    TARGET_SUMS_FIELD_NUMBER: _ClassVar[int]
    ATTENTION_COUNTS_FIELD_NUMBER: _ClassVar[int]
    total: int
    tasks: _containers.RepeatedCompositeFieldContainer[OutboundTask]
    next_page_token: str
    as_of: _timestamp_pb2.Timestamp
    status_counts: _containers.RepeatedCompositeFieldContainer[TaskStatusCount]
    target_sums: TargetSums
    attention_counts: _containers.RepeatedCompositeFieldContainer[TaskAttentionCount]
    def __init__(self, total: _Optional[int] = ..., tasks: _Optional[_Iterable[_Union[OutboundTask, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., status_counts: _Optional[_Iterable[_Union[TaskStatusCount, _Mapping]]] = ..., target_sums: _Optional[_Union[TargetSums, _Mapping]] = ..., attention_counts: _Optional[_Iterable[_Union[TaskAttentionCount, _Mapping]]] = ...) -> None: ...

class TaskAttentionCount(_message.Message):
    __slots__ = ("attention", "count")
    ATTENTION_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    attention: TaskAttention
    count: int
    def __init__(self, attention: _Optional[_Union[TaskAttention, str]] = ..., count: _Optional[int] = ...) -> None: ...

class TargetSums(_message.Message):
    __slots__ = ("total", "pending", "answered", "no_answer", "busy", "failed", "skipped")
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_FIELD_NUMBER: _ClassVar[int]
    NO_ANSWER_FIELD_NUMBER: _ClassVar[int]
    BUSY_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    total: int
    pending: int
    answered: int
    no_answer: int
    busy: int
    failed: int
    skipped: int
    def __init__(self, total: _Optional[int] = ..., pending: _Optional[int] = ..., answered: _Optional[int] = ..., no_answer: _Optional[int] = ..., busy: _Optional[int] = ..., failed: _Optional[int] = ..., skipped: _Optional[int] = ...) -> None: ...

class TaskStatusCount(_message.Message):
    __slots__ = ("status", "count")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    status: TaskStatus
    count: int
    def __init__(self, status: _Optional[_Union[TaskStatus, str]] = ..., count: _Optional[int] = ...) -> None: ...

class GetOutboundTaskRequest(_message.Message):
    __slots__ = ("task_id", "target_limit", "read_mask")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_LIMIT_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    target_limit: int
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, task_id: _Optional[str] = ..., target_limit: _Optional[int] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class GetOutboundTaskResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: OutboundTask
    def __init__(self, task: _Optional[_Union[OutboundTask, _Mapping]] = ...) -> None: ...

class BatchGetOutboundTasksRequest(_message.Message):
    __slots__ = ("task_ids", "target_limit", "read_mask")
    TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    TARGET_LIMIT_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    task_ids: _containers.RepeatedScalarFieldContainer[str]
    target_limit: int
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, task_ids: _Optional[_Iterable[str]] = ..., target_limit: _Optional[int] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class BatchGetOutboundTasksResponse(_message.Message):
    __slots__ = ("tasks", "missing_task_ids")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    MISSING_TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[OutboundTask]
    missing_task_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, tasks: _Optional[_Iterable[_Union[OutboundTask, _Mapping]]] = ..., missing_task_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class NewOutboundTask(_message.Message):
    __slots__ = ("task_id", "name", "target", "start_time", "end_time", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    name: str
    target: _containers.RepeatedScalarFieldContainer[str]
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    labels: _containers.ScalarMap[str, str]
    def __init__(self, task_id: _Optional[str] = ..., name: _Optional[str] = ..., target: _Optional[_Iterable[str]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class CreateOutboundTaskRequest(_message.Message):
    __slots__ = ("task", "idempotency_key", "target_limit", "read_mask")
    TASK_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    TARGET_LIMIT_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    task: NewOutboundTask
    idempotency_key: str
    target_limit: int
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, task: _Optional[_Union[NewOutboundTask, _Mapping]] = ..., idempotency_key: _Optional[str] = ..., target_limit: _Optional[int] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class CreateOutboundTaskResponse(_message.Message):
    __slots__ = ("task", "duplicate_count")
    TASK_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    task: OutboundTask
    duplicate_count: int
    def __init__(self, task: _Optional[_Union[OutboundTask, _Mapping]] = ..., duplicate_count: _Optional[int] = ...) -> None: ...

class BatchCreateOutboundTasksRequest(_message.Message):
    __slots__ = ("tasks", "idempotency_key", "target_limit", "read_mask")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    TARGET_LIMIT_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[NewOutboundTask]
    idempotency_key: str
    target_limit: int
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, tasks: _Optional[_Iterable[_Union[NewOutboundTask, _Mapping]]] = ..., idempotency_key: _Optional[str] = ..., target_limit: _Optional[int] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class BatchCreateOutboundTasksResponse(_message.Message):
    __slots__ = ("tasks", "duplicate_count")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[OutboundTask]
    duplicate_count: int
    def __init__(self, tasks: _Optional[_Iterable[_Union[OutboundTask, _Mapping]]] = ..., duplicate_count: _Optional[int] = ...) -> None: ...

class CopyOutboundTaskRequest(_message.Message):
    __slots__ = ("source_task_id", "task_id", "name", "start_time", "end_time", "states", "idempotency_key", "target_limit", "read_mask")
    SOURCE_TASK_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    TARGET_LIMIT_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    source_task_id: str
    task_id: str
    name: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    states: _containers.RepeatedScalarFieldContainer[TargetState]
    idempotency_key: str
    target_limit: int
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, source_task_id: _Optional[str] = ..., task_id: _Optional[str] = ..., name: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., states: _Optional[_Iterable[_Union[TargetState, str]]] = ..., idempotency_key: _Optional[str] = ..., target_limit: _Optional[int] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class CopyOutboundTaskResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: OutboundTask
    def __init__(self, task: _Optional[_Union[OutboundTask, _Mapping]] = ...) -> None: ...

class UpdateOutboundTaskRequest(_message.Message):
    __slots__ = ("task", "update_mask", "idempotency_key", "target_limit", "read_mask")
    TASK_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    TARGET_LIMIT_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    task: OutboundTask
    update_mask: _field_mask_pb2.FieldMask
    idempotency_key: str
    target_limit: int
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, task: _Optional[_Union[OutboundTask, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., idempotency_key: _Optional[str] = ..., target_limit: _Optional[int] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class UpdateOutboundTaskResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: OutboundTask
    def __init__(self, task: _Optional[_Union[OutboundTask, _Mapping]] = ...) -> None: ...

class DeleteOutboundTaskRequest(_message.Message):
    __slots__ = ("task_id", "etag", "idempotency_key")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    etag: str
    idempotency_key: str
    def __init__(self, task_id: _Optional[str] = ..., etag: _Optional[str] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class DeleteOutboundTaskResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StartOutboundTaskRequest(_message.Message):
    __slots__ = ("task_id", "reason", "etag", "idempotency_key", "target_limit", "read_mask")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    TARGET_LIMIT_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    reason: str
    etag: str
    idempotency_key: str
    target_limit: int
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, task_id: _Optional[str] = ..., reason: _Optional[str] = ..., etag: _Optional[str] = ..., idempotency_key: _Optional[str] = ..., target_limit: _Optional[int] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class StartOutboundTaskResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: OutboundTask
    def __init__(self, task: _Optional[_Union[OutboundTask, _Mapping]] = ...) -> None: ...

class PauseOutboundTaskRequest(_message.Message):
    __slots__ = ("task_id", "reason", "etag", "idempotency_key", "target_limit", "read_mask")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    TARGET_LIMIT_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    reason: str
    etag: str
    idempotency_key: str
    target_limit: int
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, task_id: _Optional[str] = ..., reason: _Optional[str] = ..., etag: _Optional[str] = ..., idempotency_key: _Optional[str] = ..., target_limit: _Optional[int] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class PauseOutboundTaskResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: OutboundTask
    def __init__(self, task: _Optional[_Union[OutboundTask, _Mapping]] = ...) -> None: ...

class ResumeOutboundTaskRequest(_message.Message):
    __slots__ = ("task_id", "reason", "etag", "idempotency_key", "target_limit", "read_mask")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    TARGET_LIMIT_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    reason: str
    etag: str
    idempotency_key: str
    target_limit: int
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, task_id: _Optional[str] = ..., reason: _Optional[str] = ..., etag: _Optional[str] = ..., idempotency_key: _Optional[str] = ..., target_limit: _Optional[int] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class ResumeOutboundTaskResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: OutboundTask
    def __init__(self, task: _Optional[_Union[OutboundTask, _Mapping]] = ...) -> None: ...

class StopOutboundTaskRequest(_message.Message):
    __slots__ = ("task_id", "reason", "etag", "idempotency_key", "target_limit", "read_mask")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    TARGET_LIMIT_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    reason: str
    etag: str
    idempotency_key: str
    target_limit: int
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, task_id: _Optional[str] = ..., reason: _Optional[str] = ..., etag: _Optional[str] = ..., idempotency_key: _Optional[str] = ..., target_limit: _Optional[int] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class StopOutboundTaskResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: OutboundTask
    def __init__(self, task: _Optional[_Union[OutboundTask, _Mapping]] = ...) -> None: ...

class CompleteOutboundTaskRequest(_message.Message):
    __slots__ = ("task_id", "reason", "etag", "idempotency_key", "target_limit", "read_mask")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    TARGET_LIMIT_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    reason: str
    etag: str
    idempotency_key: str
    target_limit: int
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, task_id: _Optional[str] = ..., reason: _Optional[str] = ..., etag: _Optional[str] = ..., idempotency_key: _Optional[str] = ..., target_limit: _Optional[int] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class CompleteOutboundTaskResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: OutboundTask
    def __init__(self, task: _Optional[_Union[OutboundTask, _Mapping]] = ...) -> None: ...

class FailOutboundTaskRequest(_message.Message):
    __slots__ = ("task_id", "reason", "etag", "idempotency_key", "target_limit", "read_mask")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    TARGET_LIMIT_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    reason: str
    etag: str
    idempotency_key: str
    target_limit: int
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, task_id: _Optional[str] = ..., reason: _Optional[str] = ..., etag: _Optional[str] = ..., idempotency_key: _Optional[str] = ..., target_limit: _Optional[int] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class FailOutboundTaskResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: OutboundTask
    def __init__(self, task: _Optional[_Union[OutboundTask, _Mapping]] = ...) -> None: ...

class TaskFilter(_message.Message):
    __slots__ = ("status", "date_range", "date_field", "customer_id", "name", "task_ids", "label", "attention", "stalled_after")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DATE_RANGE_FIELD_NUMBER: _ClassVar[int]
    DATE_FIELD_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    ATTENTION_FIELD_NUMBER: _ClassVar[int]
    STALLED_AFTER_FIELD_NUMBER: _ClassVar[int]
    status: _containers.RepeatedScalarFieldContainer[TaskStatus]
    date_range: DateRange
    date_field: TaskDateField
    customer_id: str
    name: str
    task_ids: _containers.RepeatedScalarFieldContainer[str]
    label: _containers.RepeatedScalarFieldContainer[str]
    attention: _containers.RepeatedScalarFieldContainer[TaskAttention]
    stalled_after: _duration_pb2.Duration
    def __init__(self, status: _Optional[_Iterable[_Union[TaskStatus, str]]] = ..., date_range: _Optional[_Union[DateRange, _Mapping]] = ..., date_field: _Optional[_Union[TaskDateField, str]] = ..., customer_id: _Optional[str] = ..., name: _Optional[str] = ..., task_ids: _Optional[_Iterable[str]] = ..., label: _Optional[_Iterable[str]] = ..., attention: _Optional[_Iterable[_Union[TaskAttention, str]]] = ..., stalled_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class BulkChangeOutboundTasksRequest(_message.Message):
    __slots__ = ("filter", "action", "reason", "dry_run", "expected_count", "idempotency_key")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    filter: TaskFilter
    action: TaskAction
    reason: str
    dry_run: bool
    expected_count: int
    idempotency_key: str
    def __init__(self, filter: _Optional[_Union[TaskFilter, _Mapping]] = ..., action: _Optional[_Union[TaskAction, str]] = ..., reason: _Optional[str] = ..., dry_run: bool = ..., expected_count: _Optional[int] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class BulkChangeOutboundTasksResponse(_message.Message):
    __slots__ = ("matched_count", "changed_count", "task_ids", "refused")
    MATCHED_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHANGED_COUNT_FIELD_NUMBER: _ClassVar[int]
    TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    matched_count: int
    changed_count: int
    task_ids: _containers.RepeatedScalarFieldContainer[str]
    refused: _containers.RepeatedCompositeFieldContainer[RefusedTask]
    def __init__(self, matched_count: _Optional[int] = ..., changed_count: _Optional[int] = ..., task_ids: _Optional[_Iterable[str]] = ..., refused: _Optional[_Iterable[_Union[RefusedTask, _Mapping]]] = ...) -> None: ...

class RefusedTask(_message.Message):
    __slots__ = ("task_id", "status")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    status: TaskStatus
    def __init__(self, task_id: _Optional[str] = ..., status: _Optional[_Union[TaskStatus, str]] = ...) -> None: ...

class TaskTarget(_message.Message):
    __slots__ = ("customer_id", "state", "attempt", "time")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    state: TargetState
    attempt: int
    time: _timestamp_pb2.Timestamp
    def __init__(self, customer_id: _Optional[str] = ..., state: _Optional[_Union[TargetState, str]] = ..., attempt: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListTaskTargetsRequest(_message.Message):
    __slots__ = ("task_id", "states", "limit", "page_token", "customer_id")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    states: _containers.RepeatedScalarFieldContainer[TargetState]
    limit: int
    page_token: str
    customer_id: str
    def __init__(self, task_id: _Optional[str] = ..., states: _Optional[_Iterable[_Union[TargetState, str]]] = ..., limit: _Optional[int] = ..., page_token: _Optional[str] = ..., customer_id: _Optional[str] = ...) -> None: ...

class ListTaskTargetsResponse(_message.Message):
    __slots__ = ("total", "targets", "next_page_token", "as_of")
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    total: int
    targets: _containers.RepeatedCompositeFieldContainer[TaskTarget]
    next_page_token: str
    as_of: _timestamp_pb2.Timestamp
    def __init__(self, total: _Optional[int] = ..., targets: _Optional[_Iterable[_Union[TaskTarget, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class AddTaskTargetsRequest(_message.Message):
    __slots__ = ("task_id", "customer_ids", "idempotency_key", "target_limit", "read_mask")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_IDS_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    TARGET_LIMIT_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    customer_ids: _containers.RepeatedScalarFieldContainer[str]
    idempotency_key: str
    target_limit: int
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, task_id: _Optional[str] = ..., customer_ids: _Optional[_Iterable[str]] = ..., idempotency_key: _Optional[str] = ..., target_limit: _Optional[int] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class AddTaskTargetsResponse(_message.Message):
    __slots__ = ("added_count", "duplicate_count", "task")
    ADDED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    added_count: int
    duplicate_count: int
    task: OutboundTask
    def __init__(self, added_count: _Optional[int] = ..., duplicate_count: _Optional[int] = ..., task: _Optional[_Union[OutboundTask, _Mapping]] = ...) -> None: ...

class RemoveTaskTargetsRequest(_message.Message):
    __slots__ = ("task_id", "customer_ids", "etag", "idempotency_key", "target_limit", "read_mask")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_IDS_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    TARGET_LIMIT_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    customer_ids: _containers.RepeatedScalarFieldContainer[str]
    etag: str
    idempotency_key: str
    target_limit: int
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, task_id: _Optional[str] = ..., customer_ids: _Optional[_Iterable[str]] = ..., etag: _Optional[str] = ..., idempotency_key: _Optional[str] = ..., target_limit: _Optional[int] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class RemoveTaskTargetsResponse(_message.Message):
    __slots__ = ("removed_count", "missing_customer_ids", "task")
    REMOVED_COUNT_FIELD_NUMBER: _ClassVar[int]
    MISSING_CUSTOMER_IDS_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    removed_count: int
    missing_customer_ids: _containers.RepeatedScalarFieldContainer[str]
    task: OutboundTask
    def __init__(self, removed_count: _Optional[int] = ..., missing_customer_ids: _Optional[_Iterable[str]] = ..., task: _Optional[_Union[OutboundTask, _Mapping]] = ...) -> None: ...

class TargetResult(_message.Message):
    __slots__ = ("customer_id", "state", "attempt", "time")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    state: TargetState
    attempt: int
    time: _timestamp_pb2.Timestamp
    def __init__(self, customer_id: _Optional[str] = ..., state: _Optional[_Union[TargetState, str]] = ..., attempt: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ReportTargetResultsRequest(_message.Message):
    __slots__ = ("task_id", "results", "idempotency_key", "target_limit", "read_mask")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    TARGET_LIMIT_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    results: _containers.RepeatedCompositeFieldContainer[TargetResult]
    idempotency_key: str
    target_limit: int
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, task_id: _Optional[str] = ..., results: _Optional[_Iterable[_Union[TargetResult, _Mapping]]] = ..., idempotency_key: _Optional[str] = ..., target_limit: _Optional[int] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class ReportTargetResultsResponse(_message.Message):
    __slots__ = ("applied_count", "ignored_count", "missing_customer_ids", "task")
    APPLIED_COUNT_FIELD_NUMBER: _ClassVar[int]
    IGNORED_COUNT_FIELD_NUMBER: _ClassVar[int]
    MISSING_CUSTOMER_IDS_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    applied_count: int
    ignored_count: int
    missing_customer_ids: _containers.RepeatedScalarFieldContainer[str]
    task: OutboundTask
    def __init__(self, applied_count: _Optional[int] = ..., ignored_count: _Optional[int] = ..., missing_customer_ids: _Optional[_Iterable[str]] = ..., task: _Optional[_Union[OutboundTask, _Mapping]] = ...) -> None: ...

class ListTaskEventsRequest(_message.Message):
    __slots__ = ("task_id", "limit", "page_token", "order")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    limit: int
    page_token: str
    order: SortOrder
    def __init__(self, task_id: _Optional[str] = ..., limit: _Optional[int] = ..., page_token: _Optional[str] = ..., order: _Optional[_Union[SortOrder, str]] = ...) -> None: ...

class ListTaskEventsResponse(_message.Message):
    __slots__ = ("events", "next_page_token")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[TaskEvent]
    next_page_token: str
    def __init__(self, events: _Optional[_Iterable[_Union[TaskEvent, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class TaskEvent(_message.Message):
    __slots__ = ("event_id", "at", "key_id", "kind", "reason", "changes", "reason_code", "customer_ids", "key_name")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    REASON_CODE_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_IDS_FIELD_NUMBER: _ClassVar[int]
    KEY_NAME_FIELD_NUMBER: _ClassVar[int]
    event_id: int
    at: _timestamp_pb2.Timestamp
    key_id: str
    kind: TaskEventKind
    reason: str
    changes: _containers.RepeatedCompositeFieldContainer[FieldChange]
    reason_code: ServiceReason
    customer_ids: _containers.RepeatedScalarFieldContainer[str]
    key_name: str
    def __init__(self, event_id: _Optional[int] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., key_id: _Optional[str] = ..., kind: _Optional[_Union[TaskEventKind, str]] = ..., reason: _Optional[str] = ..., changes: _Optional[_Iterable[_Union[FieldChange, _Mapping]]] = ..., reason_code: _Optional[_Union[ServiceReason, str]] = ..., customer_ids: _Optional[_Iterable[str]] = ..., key_name: _Optional[str] = ...) -> None: ...

class FieldChange(_message.Message):
    __slots__ = ("field", "old_value", "new_value", "old_is_set", "new_is_set")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    OLD_VALUE_FIELD_NUMBER: _ClassVar[int]
    NEW_VALUE_FIELD_NUMBER: _ClassVar[int]
    OLD_IS_SET_FIELD_NUMBER: _ClassVar[int]
    NEW_IS_SET_FIELD_NUMBER: _ClassVar[int]
    field: str
    old_value: str
    new_value: str
    old_is_set: bool
    new_is_set: bool
    def __init__(self, field: _Optional[str] = ..., old_value: _Optional[str] = ..., new_value: _Optional[str] = ..., old_is_set: bool = ..., new_is_set: bool = ...) -> None: ...

class GetTaskProgressRequest(_message.Message):
    __slots__ = ("task_id",)
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    def __init__(self, task_id: _Optional[str] = ...) -> None: ...

class GetTaskProgressResponse(_message.Message):
    __slots__ = ("points", "calls_per_minute", "expected_end_time", "as_of")
    POINTS_FIELD_NUMBER: _ClassVar[int]
    CALLS_PER_MINUTE_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_END_TIME_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    points: _containers.RepeatedCompositeFieldContainer[TaskProgressPoint]
    calls_per_minute: float
    expected_end_time: _timestamp_pb2.Timestamp
    as_of: _timestamp_pb2.Timestamp
    def __init__(self, points: _Optional[_Iterable[_Union[TaskProgressPoint, _Mapping]]] = ..., calls_per_minute: _Optional[float] = ..., expected_end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class TaskProgressPoint(_message.Message):
    __slots__ = ("at", "progress", "target_counts")
    AT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    TARGET_COUNTS_FIELD_NUMBER: _ClassVar[int]
    at: _timestamp_pb2.Timestamp
    progress: int
    target_counts: TargetCounts
    def __init__(self, at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., progress: _Optional[int] = ..., target_counts: _Optional[_Union[TargetCounts, _Mapping]] = ...) -> None: ...

class ExportOutboundTasksRequest(_message.Message):
    __slots__ = ("filter", "order_by", "order", "target_limit")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    TARGET_LIMIT_FIELD_NUMBER: _ClassVar[int]
    filter: TaskFilter
    order_by: TaskOrderBy
    order: SortOrder
    target_limit: int
    def __init__(self, filter: _Optional[_Union[TaskFilter, _Mapping]] = ..., order_by: _Optional[_Union[TaskOrderBy, str]] = ..., order: _Optional[_Union[SortOrder, str]] = ..., target_limit: _Optional[int] = ...) -> None: ...

class ExportOutboundTasksResponse(_message.Message):
    __slots__ = ("tasks",)
    TASKS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[OutboundTask]
    def __init__(self, tasks: _Optional[_Iterable[_Union[OutboundTask, _Mapping]]] = ...) -> None: ...

class WatchOutboundTasksRequest(_message.Message):
    __slots__ = ("filter", "skip_initial", "resume_token", "target_limit", "read_mask")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    SKIP_INITIAL_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TARGET_LIMIT_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    filter: TaskFilter
    skip_initial: bool
    resume_token: str
    target_limit: int
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, filter: _Optional[_Union[TaskFilter, _Mapping]] = ..., skip_initial: bool = ..., resume_token: _Optional[str] = ..., target_limit: _Optional[int] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class WatchOutboundTasksResponse(_message.Message):
    __slots__ = ("changes", "resume_token", "as_of", "list_again", "fresh")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    LIST_AGAIN_FIELD_NUMBER: _ClassVar[int]
    FRESH_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[TaskChange]
    resume_token: str
    as_of: _timestamp_pb2.Timestamp
    list_again: bool
    fresh: bool
    def __init__(self, changes: _Optional[_Iterable[_Union[TaskChange, _Mapping]]] = ..., resume_token: _Optional[str] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., list_again: bool = ..., fresh: bool = ...) -> None: ...

class TaskChange(_message.Message):
    __slots__ = ("kind", "task_id", "task")
    KIND_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    kind: TaskChangeKind
    task_id: str
    task: OutboundTask
    def __init__(self, kind: _Optional[_Union[TaskChangeKind, str]] = ..., task_id: _Optional[str] = ..., task: _Optional[_Union[OutboundTask, _Mapping]] = ...) -> None: ...

class GetQuotaRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetQuotaResponse(_message.Message):
    __slots__ = ("quotas", "key_name")
    QUOTAS_FIELD_NUMBER: _ClassVar[int]
    KEY_NAME_FIELD_NUMBER: _ClassVar[int]
    quotas: _containers.RepeatedCompositeFieldContainer[Quota]
    key_name: str
    def __init__(self, quotas: _Optional[_Iterable[_Union[Quota, _Mapping]]] = ..., key_name: _Optional[str] = ...) -> None: ...

class Quota(_message.Message):
    __slots__ = ("name", "unit", "limit", "window_seconds", "remaining", "reset_seconds")
    NAME_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    WINDOW_SECONDS_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    RESET_SECONDS_FIELD_NUMBER: _ClassVar[int]
    name: str
    unit: QuotaUnit
    limit: int
    window_seconds: int
    remaining: int
    reset_seconds: int
    def __init__(self, name: _Optional[str] = ..., unit: _Optional[_Union[QuotaUnit, str]] = ..., limit: _Optional[int] = ..., window_seconds: _Optional[int] = ..., remaining: _Optional[int] = ..., reset_seconds: _Optional[int] = ...) -> None: ...

class ImportTable(_message.Message):
    __slots__ = ("encoding", "delimiter", "sheet", "target_separator")
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    DELIMITER_FIELD_NUMBER: _ClassVar[int]
    SHEET_FIELD_NUMBER: _ClassVar[int]
    TARGET_SEPARATOR_FIELD_NUMBER: _ClassVar[int]
    encoding: str
    delimiter: str
    sheet: str
    target_separator: str
    def __init__(self, encoding: _Optional[str] = ..., delimiter: _Optional[str] = ..., sheet: _Optional[str] = ..., target_separator: _Optional[str] = ...) -> None: ...

class ImportTaskOptions(_message.Message):
    __slots__ = ("format", "table", "field_names", "status_words", "ignore_unknown", "defaults", "root", "time_zone", "on_conflict", "drop_results", "dry_run", "profile")
    class FieldNamesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class StatusWordsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: TaskStatus
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[TaskStatus, str]] = ...) -> None: ...
    class DefaultsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    FIELD_NAMES_FIELD_NUMBER: _ClassVar[int]
    STATUS_WORDS_FIELD_NUMBER: _ClassVar[int]
    IGNORE_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    DEFAULTS_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    ON_CONFLICT_FIELD_NUMBER: _ClassVar[int]
    DROP_RESULTS_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    format: ImportFormat
    table: ImportTable
    field_names: _containers.ScalarMap[str, str]
    status_words: _containers.ScalarMap[str, TaskStatus]
    ignore_unknown: bool
    defaults: _containers.ScalarMap[str, str]
    root: str
    time_zone: str
    on_conflict: ImportConflict
    drop_results: bool
    dry_run: bool
    profile: str
    def __init__(self, format: _Optional[_Union[ImportFormat, str]] = ..., table: _Optional[_Union[ImportTable, _Mapping]] = ..., field_names: _Optional[_Mapping[str, str]] = ..., status_words: _Optional[_Mapping[str, TaskStatus]] = ..., ignore_unknown: bool = ..., defaults: _Optional[_Mapping[str, str]] = ..., root: _Optional[str] = ..., time_zone: _Optional[str] = ..., on_conflict: _Optional[_Union[ImportConflict, str]] = ..., drop_results: bool = ..., dry_run: bool = ..., profile: _Optional[str] = ...) -> None: ...

class ImportOutboundTasksRequest(_message.Message):
    __slots__ = ("options", "chunk")
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    options: ImportTaskOptions
    chunk: bytes
    def __init__(self, options: _Optional[_Union[ImportTaskOptions, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class ImportOutboundTasksResponse(_message.Message):
    __slots__ = ("report",)
    REPORT_FIELD_NUMBER: _ClassVar[int]
    report: ImportReport
    def __init__(self, report: _Optional[_Union[ImportReport, _Mapping]] = ...) -> None: ...

class ImportTargetOptions(_message.Message):
    __slots__ = ("format", "table", "task_id", "column", "task_column", "header", "dry_run")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    TASK_COLUMN_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    format: ImportFormat
    table: ImportTable
    task_id: str
    column: str
    task_column: str
    header: bool
    dry_run: bool
    def __init__(self, format: _Optional[_Union[ImportFormat, str]] = ..., table: _Optional[_Union[ImportTable, _Mapping]] = ..., task_id: _Optional[str] = ..., column: _Optional[str] = ..., task_column: _Optional[str] = ..., header: bool = ..., dry_run: bool = ...) -> None: ...

class ImportTaskTargetsRequest(_message.Message):
    __slots__ = ("options", "chunk")
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    options: ImportTargetOptions
    chunk: bytes
    def __init__(self, options: _Optional[_Union[ImportTargetOptions, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class ImportTaskTargetsResponse(_message.Message):
    __slots__ = ("report",)
    REPORT_FIELD_NUMBER: _ClassVar[int]
    report: ImportReport
    def __init__(self, report: _Optional[_Union[ImportReport, _Mapping]] = ...) -> None: ...

class ImportReport(_message.Message):
    __slots__ = ("tasks", "targets", "skipped", "replaced", "repeated_customers", "dropped_results", "repairs", "reading", "refusal", "bad_records", "errors")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    REPLACED_FIELD_NUMBER: _ClassVar[int]
    REPEATED_CUSTOMERS_FIELD_NUMBER: _ClassVar[int]
    DROPPED_RESULTS_FIELD_NUMBER: _ClassVar[int]
    REPAIRS_FIELD_NUMBER: _ClassVar[int]
    READING_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    BAD_RECORDS_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    tasks: int
    targets: int
    skipped: int
    replaced: int
    repeated_customers: int
    dropped_results: int
    repairs: ImportRepairs
    reading: ImportReading
    refusal: str
    bad_records: int
    errors: _containers.RepeatedCompositeFieldContainer[ImportError]
    def __init__(self, tasks: _Optional[int] = ..., targets: _Optional[int] = ..., skipped: _Optional[int] = ..., replaced: _Optional[int] = ..., repeated_customers: _Optional[int] = ..., dropped_results: _Optional[int] = ..., repairs: _Optional[_Union[ImportRepairs, _Mapping]] = ..., reading: _Optional[_Union[ImportReading, _Mapping]] = ..., refusal: _Optional[str] = ..., bad_records: _Optional[int] = ..., errors: _Optional[_Iterable[_Union[ImportError, _Mapping]]] = ...) -> None: ...

class ImportError(_message.Message):
    __slots__ = ("line", "record", "violations")
    LINE_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    line: int
    record: int
    violations: _containers.RepeatedCompositeFieldContainer[ImportViolation]
    def __init__(self, line: _Optional[int] = ..., record: _Optional[int] = ..., violations: _Optional[_Iterable[_Union[ImportViolation, _Mapping]]] = ...) -> None: ...

class ImportViolation(_message.Message):
    __slots__ = ("field", "description", "reason", "parameters")
    class ParametersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    FIELD_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    field: str
    description: str
    reason: str
    parameters: _containers.ScalarMap[str, str]
    def __init__(self, field: _Optional[str] = ..., description: _Optional[str] = ..., reason: _Optional[str] = ..., parameters: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ImportRepairs(_message.Message):
    __slots__ = ("trimmed", "digits", "separators", "short_rows", "numbers", "words", "percents", "local_times", "time_numbers", "defaults")
    TRIMMED_FIELD_NUMBER: _ClassVar[int]
    DIGITS_FIELD_NUMBER: _ClassVar[int]
    SEPARATORS_FIELD_NUMBER: _ClassVar[int]
    SHORT_ROWS_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    PERCENTS_FIELD_NUMBER: _ClassVar[int]
    LOCAL_TIMES_FIELD_NUMBER: _ClassVar[int]
    TIME_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    DEFAULTS_FIELD_NUMBER: _ClassVar[int]
    trimmed: int
    digits: int
    separators: int
    short_rows: int
    numbers: int
    words: int
    percents: int
    local_times: int
    time_numbers: int
    defaults: int
    def __init__(self, trimmed: _Optional[int] = ..., digits: _Optional[int] = ..., separators: _Optional[int] = ..., short_rows: _Optional[int] = ..., numbers: _Optional[int] = ..., words: _Optional[int] = ..., percents: _Optional[int] = ..., local_times: _Optional[int] = ..., time_numbers: _Optional[int] = ..., defaults: _Optional[int] = ...) -> None: ...

class ImportRename(_message.Message):
    __slots__ = ("name", "field")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    name: str
    field: str
    def __init__(self, name: _Optional[str] = ..., field: _Optional[str] = ...) -> None: ...

class ImportReading(_message.Message):
    __slots__ = ("encoding", "likely_encoding", "sheet", "delimiter", "renamed", "ignored", "blank_rows", "has_no_header")
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    LIKELY_ENCODING_FIELD_NUMBER: _ClassVar[int]
    SHEET_FIELD_NUMBER: _ClassVar[int]
    DELIMITER_FIELD_NUMBER: _ClassVar[int]
    RENAMED_FIELD_NUMBER: _ClassVar[int]
    IGNORED_FIELD_NUMBER: _ClassVar[int]
    BLANK_ROWS_FIELD_NUMBER: _ClassVar[int]
    HAS_NO_HEADER_FIELD_NUMBER: _ClassVar[int]
    encoding: str
    likely_encoding: str
    sheet: str
    delimiter: str
    renamed: _containers.RepeatedCompositeFieldContainer[ImportRename]
    ignored: _containers.RepeatedScalarFieldContainer[str]
    blank_rows: int
    has_no_header: bool
    def __init__(self, encoding: _Optional[str] = ..., likely_encoding: _Optional[str] = ..., sheet: _Optional[str] = ..., delimiter: _Optional[str] = ..., renamed: _Optional[_Iterable[_Union[ImportRename, _Mapping]]] = ..., ignored: _Optional[_Iterable[str]] = ..., blank_rows: _Optional[int] = ..., has_no_header: bool = ...) -> None: ...
