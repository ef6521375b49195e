package com.outboundtasks.example;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import com.outboundtasks.v1.*;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/** The driver of the Java example, for the conformance tests in clients/conformance, which have its protocol. */
public final class Driver {
    private static final BufferedReader INPUT =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    private static final Metadata.Key<String> REPLAYED =
            Metadata.Key.of("idempotent-replayed", Metadata.ASCII_STRING_MARSHALLER);

    public static void main(String[] arguments) throws Exception {
        Client client = connect(System.getenv("OUTBOUND_TASKS_API_KEY"));
        for (String line = INPUT.readLine(); line != null; line = INPUT.readLine()) {
            JsonObject command = JsonParser.parseString(line).getAsJsonObject();
            try {
                say(serve(client, command));
            } catch (StatusRuntimeException error) {
                JsonObject answer = new JsonObject();
                answer.add("error", explained(Failure.of(error)));
                say(answer);
            }
        }
        System.exit(0);
    }

    private static Client connect(String key) throws IOException {
        return new Client(System.getenv("OUTBOUND_TASKS_URL"), key, null);
    }

    private static JsonObject serve(Client client, JsonObject command) throws Exception {
        JsonObject answer = new JsonObject();
        switch (text(command, "do")) {
            case "list" -> {
                JsonArray ids = new JsonArray();
                var request = ListOutboundTasksRequest.newBuilder().setName(text(command, "name"));
                client.tasks(request.setLimit(command.get("limit").getAsInt()).build(), task -> ids.add(task.getTaskId()));
                answer.add("ids", ids);
            }
            case "act" -> {
                TaskAction action = TaskAction.valueOf("TASK_ACTION_" + text(command, "action"));
                answer.addProperty("etag", client.act(text(command, "task_id"), action, text(command, "reason")).getEtag());
            }
            case "call" -> {
                if (!command.has("api_key")) {
                    return call(client, command);
                }
                try (Client other = connect(text(command, "api_key"))) {
                    return call(other, command);
                }
            }
            case "watch" -> watch(client, text(command, "name"));
            default -> throw new IllegalArgumentException(command.toString());
        }
        return answer;
    }

    private static void watch(Client client, String name) {
        Thread end = new Thread(() -> {
            try {
                while (INPUT.readLine() != null) {}
            } catch (IOException error) {
                // It ends here too.
            }
            System.exit(0); // whoever drives this has ended
        });
        end.setDaemon(true);
        end.start();
        var request = WatchOutboundTasksRequest.newBuilder().setFilter(TaskFilter.newBuilder().setName(name));
        client.watch(request.build(), update -> {
            JsonArray changes = new JsonArray();
            for (TaskChange change : update.changes()) {
                JsonArray pair = new JsonArray();
                pair.add(change.getTaskId());
                pair.add(change.hasTask() ? change.getTask().getEtag() : null);
                changes.add(pair);
            }
            JsonObject line = new JsonObject();
            line.add("changes", changes);
            line.addProperty("anew", update.anew());
            line.addProperty("live", update.isLive());
            say(line);
            return true;
        });
    }

    /** Makes a call by the name of its rpc, once. */
    @SuppressWarnings("unchecked")
    private static JsonObject call(Client client, JsonObject command) throws Exception {
        var method = (MethodDescriptor<Message, Message>) OutboundTaskServiceGrpc.getServiceDescriptor().getMethods().stream()
                .filter(found -> found.getBareMethodName().equals(text(command, "rpc")))
                .findFirst()
                .orElseThrow();
        CallOptions options = CallOptions.DEFAULT;
        if (command.has("timeout")) {
            options = options.withDeadlineAfter((long) (command.get("timeout").getAsDouble() * 1000), TimeUnit.MILLISECONDS);
        }
        AtomicReference<Metadata> headers = new AtomicReference<>();
        AtomicReference<Metadata> trailers = new AtomicReference<>();
        Channel channel = ClientInterceptors.intercept(
                client.channel(), MetadataUtils.newCaptureMetadataInterceptor(headers, trailers));
        JsonElement written;
        switch (method.getType()) {
            case UNARY -> written = json(ClientCalls.blockingUnaryCall(
                    channel, method, options, read(method, command.get("request"))));
            case SERVER_STREAMING -> {
                JsonArray answers = new JsonArray();
                var messages = ClientCalls.blockingServerStreamingCall(
                        channel, method, options, read(method, command.get("request")));
                while (messages.hasNext()) {
                    answers.add(json(messages.next()));
                    if (command.has("first")) {
                        break;
                    }
                }
                written = answers;
            }
            default -> written = json(upload(channel, method, options, command.getAsJsonArray("requests")));
        }
        JsonObject answer = new JsonObject();
        answer.add("answer", written);
        answer.addProperty("replayed", headers.get() != null && "true".equals(headers.get().get(REPLAYED)));
        return answer;
    }

    private static Message upload(
            Channel channel, MethodDescriptor<Message, Message> method, CallOptions options, JsonArray requests)
            throws Exception {
        CompletableFuture<Message> answer = new CompletableFuture<>();
        StreamObserver<Message> sent = ClientCalls.asyncClientStreamingCall(
                channel.newCall(method, options),
                new StreamObserver<>() {
                    @Override
                    public void onNext(Message message) {
                        answer.complete(message);
                    }

                    @Override
                    public void onError(Throwable error) {
                        answer.completeExceptionally(error);
                    }

                    @Override
                    public void onCompleted() {}
                });
        for (JsonElement request : requests) {
            if (request.isJsonPrimitive()) {
                JsonObject ready = new JsonObject();
                ready.addProperty("ready", true);
                say(ready);
                INPUT.readLine();
            } else if (!answer.isDone()) {
                sent.onNext(read(method, request));
            }
        }
        if (!answer.isDone()) {
            sent.onCompleted();
        }
        try {
            return answer.get();
        } catch (ExecutionException error) {
            throw error.getCause() instanceof StatusRuntimeException status ? status : error;
        }
    }

    private static Message read(MethodDescriptor<Message, Message> method, JsonElement request) throws IOException {
        var marshaller = (MethodDescriptor.PrototypeMarshaller<Message>) method.getRequestMarshaller();
        Message.Builder builder = marshaller.getMessagePrototype().newBuilderForType();
        JsonFormat.parser().merge(request.toString(), builder);
        return builder.build();
    }

    private static JsonElement json(Message message) throws IOException {
        return JsonParser.parseString(JsonFormat.printer().print(message));
    }

    private static JsonObject explained(Failure failure) {
        JsonArray fields = new JsonArray();
        for (Failure.Violation bad : failure.fields()) {
            JsonObject field = new JsonObject();
            field.addProperty("field", bad.field());
            field.addProperty("reason", bad.reason());
            field.add("parameters", object(bad.parameters()));
            fields.add(field);
        }
        JsonObject error = new JsonObject();
        error.addProperty("code", failure.code().name());
        error.addProperty("message", failure.message());
        error.addProperty("reason", failure.reason());
        error.add("fields", fields);
        error.add("metadata", object(failure.metadata()));
        error.addProperty("has_request_id", !failure.requestId().isEmpty());
        if (failure.retryAfter() == null) {
            error.add("retry_after", JsonNull.INSTANCE);
        } else {
            error.addProperty("retry_after", failure.retryAfter().toMillis() / 1000.0);
        }
        return error;
    }

    private static JsonObject object(Map<String, String> values) {
        JsonObject object = new JsonObject();
        values.forEach(object::addProperty);
        return object;
    }

    private static String text(JsonObject command, String name) {
        return command.get(name).getAsString();
    }

    private static synchronized void say(JsonObject answer) {
        System.out.println(answer);
        System.out.flush();
    }
}
