from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ViolationReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VIOLATION_REASON_UNSPECIFIED: _ClassVar[ViolationReason]
    VIOLATION_REASON_REQUIRED: _ClassVar[ViolationReason]
    VIOLATION_REASON_OUT_OF_RANGE: _ClassVar[ViolationReason]
    VIOLATION_REASON_LENGTH_OUT_OF_RANGE: _ClassVar[ViolationReason]
    VIOLATION_REASON_COUNT_OUT_OF_RANGE: _ClassVar[ViolationReason]
    VIOLATION_REASON_FORBIDDEN_CHARACTER: _ClassVar[ViolationReason]
    VIOLATION_REASON_NOT_UTF8: _ClassVar[ViolationReason]
    VIOLATION_REASON_UNKNOWN_VALUE: _ClassVar[ViolationReason]
    VIOLATION_REASON_UNKNOWN_FIELD: _ClassVar[ViolationReason]
    VIOLATION_REASON_UNKNOWN_PARAMETER: _ClassVar[ViolationReason]
    VIOLATION_REASON_NOT_A_NUMBER: _ClassVar[ViolationReason]
    VIOLATION_REASON_NOT_A_TIME: _ClassVar[ViolationReason]
    VIOLATION_REASON_TIME_OUT_OF_RANGE: _ClassVar[ViolationReason]
    VIOLATION_REASON_END_BEFORE_START: _ClassVar[ViolationReason]
    VIOLATION_REASON_REPEATED: _ClassVar[ViolationReason]
    VIOLATION_REASON_EXCLUDES: _ClassVar[ViolationReason]
    VIOLATION_REASON_MALFORMED: _ClassVar[ViolationReason]
    VIOLATION_REASON_DIFFERS_FROM_FIRST_MESSAGE: _ClassVar[ViolationReason]
    VIOLATION_REASON_TOKEN_DAMAGED: _ClassVar[ViolationReason]
    VIOLATION_REASON_TOKEN_OF_ANOTHER_VERSION: _ClassVar[ViolationReason]
    VIOLATION_REASON_TOKEN_OF_ANOTHER_QUERY: _ClassVar[ViolationReason]
    VIOLATION_REASON_INVALID_RECORD: _ClassVar[ViolationReason]
    VIOLATION_REASON_PAGE_TOO_LARGE: _ClassVar[ViolationReason]
    VIOLATION_REASON_DAMAGED_VALUE: _ClassVar[ViolationReason]

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    ERROR_REASON_TRANSITION_NOT_ALLOWED: _ClassVar[ErrorReason]
    ERROR_REASON_TASK_ENDED: _ClassVar[ErrorReason]
    ERROR_REASON_TOO_MANY_MATCHES: _ClassVar[ErrorReason]
    ERROR_REASON_COUNT_NOT_AS_EXPECTED: _ClassVar[ErrorReason]
    ERROR_REASON_SEPARATOR_IN_CUSTOMER_ID: _ClassVar[ErrorReason]
    ERROR_REASON_ETAG_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_IDEMPOTENCY_KEY_REUSED: _ClassVar[ErrorReason]
    ERROR_REASON_SCOPE_MISSING: _ClassVar[ErrorReason]
    ERROR_REASON_MESSAGE_TOO_LARGE: _ClassVar[ErrorReason]
    ERROR_REASON_OVERLOADED: _ClassVar[ErrorReason]
    ERROR_REASON_DATABASE_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_DATABASE_BUSY: _ClassVar[ErrorReason]
    ERROR_REASON_STOPPING: _ClassVar[ErrorReason]
    ERROR_REASON_DATABASE_READ_ONLY: _ClassVar[ErrorReason]
    ERROR_REASON_DATABASE_CONFLICT: _ClassVar[ErrorReason]
    ERROR_REASON_OUTCOME_UNREADABLE: _ClassVar[ErrorReason]
    ERROR_REASON_TASK_REPLACED: _ClassVar[ErrorReason]
    ERROR_REASON_ANSWERS_UNREAD: _ClassVar[ErrorReason]
    ERROR_REASON_ANSWER_TOO_LARGE: _ClassVar[ErrorReason]
    ERROR_REASON_CLIENT_IDLE: _ClassVar[ErrorReason]
    ERROR_REASON_QUOTA_USED_UP: _ClassVar[ErrorReason]
    ERROR_REASON_DEADLINE_TOO_SHORT: _ClassVar[ErrorReason]
    ERROR_REASON_TOO_MANY_FAILED_KEYS: _ClassVar[ErrorReason]
    ERROR_REASON_IMPORT_TOO_LARGE: _ClassVar[ErrorReason]
VIOLATION_REASON_UNSPECIFIED: ViolationReason
VIOLATION_REASON_REQUIRED: ViolationReason
VIOLATION_REASON_OUT_OF_RANGE: ViolationReason
VIOLATION_REASON_LENGTH_OUT_OF_RANGE: ViolationReason
VIOLATION_REASON_COUNT_OUT_OF_RANGE: ViolationReason
VIOLATION_REASON_FORBIDDEN_CHARACTER: ViolationReason
VIOLATION_REASON_NOT_UTF8: ViolationReason
VIOLATION_REASON_UNKNOWN_VALUE: ViolationReason
VIOLATION_REASON_UNKNOWN_FIELD: ViolationReason
VIOLATION_REASON_UNKNOWN_PARAMETER: ViolationReason
VIOLATION_REASON_NOT_A_NUMBER: ViolationReason
VIOLATION_REASON_NOT_A_TIME: ViolationReason
VIOLATION_REASON_TIME_OUT_OF_RANGE: ViolationReason
VIOLATION_REASON_END_BEFORE_START: ViolationReason
VIOLATION_REASON_REPEATED: ViolationReason
VIOLATION_REASON_EXCLUDES: ViolationReason
VIOLATION_REASON_MALFORMED: ViolationReason
VIOLATION_REASON_DIFFERS_FROM_FIRST_MESSAGE: ViolationReason
VIOLATION_REASON_TOKEN_DAMAGED: ViolationReason
VIOLATION_REASON_TOKEN_OF_ANOTHER_VERSION: ViolationReason
VIOLATION_REASON_TOKEN_OF_ANOTHER_QUERY: ViolationReason
VIOLATION_REASON_INVALID_RECORD: ViolationReason
VIOLATION_REASON_PAGE_TOO_LARGE: ViolationReason
VIOLATION_REASON_DAMAGED_VALUE: ViolationReason
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_TRANSITION_NOT_ALLOWED: ErrorReason
ERROR_REASON_TASK_ENDED: ErrorReason
ERROR_REASON_TOO_MANY_MATCHES: ErrorReason
ERROR_REASON_COUNT_NOT_AS_EXPECTED: ErrorReason
ERROR_REASON_SEPARATOR_IN_CUSTOMER_ID: ErrorReason
ERROR_REASON_ETAG_MISMATCH: ErrorReason
ERROR_REASON_IDEMPOTENCY_KEY_REUSED: ErrorReason
ERROR_REASON_SCOPE_MISSING: ErrorReason
ERROR_REASON_MESSAGE_TOO_LARGE: ErrorReason
ERROR_REASON_OVERLOADED: ErrorReason
ERROR_REASON_DATABASE_UNAVAILABLE: ErrorReason
ERROR_REASON_DATABASE_BUSY: ErrorReason
ERROR_REASON_STOPPING: ErrorReason
ERROR_REASON_DATABASE_READ_ONLY: ErrorReason
ERROR_REASON_DATABASE_CONFLICT: ErrorReason
ERROR_REASON_OUTCOME_UNREADABLE: ErrorReason
ERROR_REASON_TASK_REPLACED: ErrorReason
ERROR_REASON_ANSWERS_UNREAD: ErrorReason
ERROR_REASON_ANSWER_TOO_LARGE: ErrorReason
ERROR_REASON_CLIENT_IDLE: ErrorReason
ERROR_REASON_QUOTA_USED_UP: ErrorReason
ERROR_REASON_DEADLINE_TOO_SHORT: ErrorReason
ERROR_REASON_TOO_MANY_FAILED_KEYS: ErrorReason
ERROR_REASON_IMPORT_TOO_LARGE: ErrorReason

class FieldViolations(_message.Message):
    __slots__ = ("violations",)
    VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    violations: _containers.RepeatedCompositeFieldContainer[FieldViolation]
    def __init__(self, violations: _Optional[_Iterable[_Union[FieldViolation, _Mapping]]] = ...) -> None: ...

class FieldViolation(_message.Message):
    __slots__ = ("field", "reason", "parameters")
    class ParametersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    FIELD_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    field: str
    reason: ViolationReason
    parameters: _containers.ScalarMap[str, str]
    def __init__(self, field: _Optional[str] = ..., reason: _Optional[_Union[ViolationReason, str]] = ..., parameters: _Optional[_Mapping[str, str]] = ...) -> None: ...
