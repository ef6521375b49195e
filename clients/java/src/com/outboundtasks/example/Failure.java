package com.outboundtasks.example;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RequestInfo;
import com.google.rpc.RetryInfo;
import com.outboundtasks.v1.FieldViolations;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** What an error of the service says. */
public record Failure(
        Status.Code code,
        String message,
        /** A name of ErrorReason, as TASK_ENDED, or of the code; empty without an answer of the service. */
        String reason,
        /** The values that belong to the reason, as `status` and `allowed_actions`. */
        Map<String, String> metadata,
        /** All field violations, with INVALID_ARGUMENT. */
        List<Violation> fields,
        /** The id of the request in the service's log. */
        String requestId,
        /** How long to wait before a retry; null if the service does not say. */
        Duration retryAfter) {

    /** What is wrong with a field: see errors.proto. */
    public record Violation(String field, String description, String reason, Map<String, String> parameters) {}

    /** Reads the details of an error. */
    public static Failure of(StatusRuntimeException error) {
        String reason = "";
        String requestId = "";
        Map<String, String> metadata = Map.of();
        List<BadRequest.FieldViolation> bad = List.of();
        List<com.outboundtasks.v1.FieldViolation> own = List.of();
        Duration retryAfter = null;
        com.google.rpc.Status status = StatusProto.fromThrowable(error);
        try {
            for (Any detail : status == null ? List.<Any>of() : status.getDetailsList()) {
                if (detail.is(ErrorInfo.class)) {
                    ErrorInfo info = detail.unpack(ErrorInfo.class);
                    reason = info.getReason();
                    metadata = info.getMetadataMap();
                } else if (detail.is(BadRequest.class)) {
                    bad = detail.unpack(BadRequest.class).getFieldViolationsList();
                } else if (detail.is(FieldViolations.class)) {
                    own = detail.unpack(FieldViolations.class).getViolationsList();
                } else if (detail.is(RequestInfo.class)) {
                    requestId = detail.unpack(RequestInfo.class).getRequestId();
                } else if (detail.is(RetryInfo.class)) {
                    var delay = detail.unpack(RetryInfo.class).getRetryDelay();
                    retryAfter = Duration.ofSeconds(delay.getSeconds(), delay.getNanos());
                }
            }
        } catch (InvalidProtocolBufferException damaged) {
            // The details are of something on the way, not of the service: the code has to do.
            reason = "";
        }
        List<Violation> fields = new ArrayList<>();
        for (int n = 0; n < bad.size(); n++) {
            // Both lists have the same order.
            Map<String, String> parameters = n < own.size() ? own.get(n).getParametersMap() : Map.of();
            fields.add(new Violation(bad.get(n).getField(), bad.get(n).getDescription(), bad.get(n).getReason(), parameters));
        }
        String message = error.getStatus().getDescription();
        return new Failure(
                error.getStatus().getCode(), message == null ? "" : message, reason, metadata, fields, requestId, retryAfter);
    }
}
