package com.outboundtasks.example;

import com.outboundtasks.v1.*;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ClientInterceptors;
import io.grpc.Context;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.NettyChannelBuilder;
import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.function.Supplier;

/**
 * The parts of a client that take more than one call of the generated code: a list over all its pages, writes that are sent
 * again, and a watch that resumes. Copy what you need. Safe to use from many threads.
 */
public final class Client implements AutoCloseable {
    /** The pauses between tries, which double: the first and the longest. */
    private static final Duration FIRST_PAUSE = Duration.ofMillis(500);
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(15);
    /** How often a call is sent at most while the service is unavailable. */
    private static final int MOST_TRIES = 4;
    /** The timeout of a unary call without a deadline. */
    private static final Duration TIMEOUT = Duration.ofSeconds(15);
    /** How long a watch may be silent before it counts as dead. Heartbeats come every 10 seconds. */
    private static final Duration SILENCE = Duration.ofSeconds(25);
    /** More than the 8 MiB that a page of a list may have; gRPC's default is 4 MiB. */
    private static final int MOST_BYTES = 16 * 1024 * 1024;

    private static final Metadata.Key<String> API_KEY = Metadata.Key.of("x-api-key", Metadata.ASCII_STRING_MARSHALLER);

    /** A message of a watch. */
    public record Update(
            /** The changes, to be applied in this order; none in a heartbeat. */
            List<TaskChange> changes,
            /** Whether the watch begins again because it could not be resumed: drop all earlier data. */
            boolean anew,
            /** Whether all changes up to `as_of` have been reported; false while more of them follow. */
            boolean isLive,
            /** Resumes the watch after this update, also in another process. */
            String resumeToken) {}

    /** Every rpc of the contract. */
    public final OutboundTaskServiceGrpc.OutboundTaskServiceBlockingStub rpc;

    private final ManagedChannel channel;
    private final ClientInterceptor interceptor;
    private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor(task -> {
        Thread thread = new Thread(task);
        thread.setDaemon(true);
        return thread;
    });

    /**
     * Connects to an address such as `http://127.0.0.1:8080` or `https://tasks.example.com`. `caFile` names the authorities
     * of its certificate, in PEM form; null means those of Java.
     */
    public Client(String address, String apiKey, String caFile) throws IOException {
        URI uri = URI.create(address);
        boolean isTls = "https".equals(uri.getScheme());
        int port = uri.getPort() != -1 ? uri.getPort() : isTls ? 443 : 80;
        NettyChannelBuilder builder = NettyChannelBuilder.forAddress(uri.getHost(), port).maxInboundMessageSize(MOST_BYTES);
        if (!isTls) {
            builder.usePlaintext();
        } else if (caFile != null) {
            builder.sslContext(GrpcSslContexts.forClient().trustManager(new File(caFile)).build());
        }
        channel = builder.build();
        interceptor = new WithKey(apiKey);
        rpc = OutboundTaskServiceGrpc.newBlockingStub(channel());
    }

    /** The channel, with the key and the timeout of each call. */
    public Channel channel() {
        return ClientInterceptors.intercept(channel, interceptor);
    }

    @Override
    public void close() {
        timer.shutdownNow();
        channel.shutdownNow();
    }

    /** Passes every task of a list to `visit`, over all pages. It pages by token, so no task is skipped or repeated. */
    public void tasks(ListOutboundTasksRequest request, Consumer<OutboundTask> visit) {
        String token;
        do {
            ListOutboundTasksRequest next = request;
            ListOutboundTasksResponse page = retry(() -> rpc.listOutboundTasks(next));
            page.getTasksList().forEach(visit);
            token = page.getNextPageToken();
            request = request.toBuilder().setPage(0).setPageToken(token).build();
        } while (!token.isEmpty());
    }

    /** Changes the status of a task, and returns the changed task. */
    public OutboundTask act(String taskId, TaskAction action, String reason) {
        String key = newKey(); // the same one in every try, so that the action is done once
        return retry(() -> switch (action) {
            case TASK_ACTION_START -> rpc.startOutboundTask(StartOutboundTaskRequest.newBuilder()
                    .setTaskId(taskId).setReason(reason).setIdempotencyKey(key).build()).getTask();
            case TASK_ACTION_PAUSE -> rpc.pauseOutboundTask(PauseOutboundTaskRequest.newBuilder()
                    .setTaskId(taskId).setReason(reason).setIdempotencyKey(key).build()).getTask();
            case TASK_ACTION_RESUME -> rpc.resumeOutboundTask(ResumeOutboundTaskRequest.newBuilder()
                    .setTaskId(taskId).setReason(reason).setIdempotencyKey(key).build()).getTask();
            case TASK_ACTION_STOP -> rpc.stopOutboundTask(StopOutboundTaskRequest.newBuilder()
                    .setTaskId(taskId).setReason(reason).setIdempotencyKey(key).build()).getTask();
            case TASK_ACTION_COMPLETE -> rpc.completeOutboundTask(CompleteOutboundTaskRequest.newBuilder()
                    .setTaskId(taskId).setReason(reason).setIdempotencyKey(key).build()).getTask();
            case TASK_ACTION_FAIL -> rpc.failOutboundTask(FailOutboundTaskRequest.newBuilder()
                    .setTaskId(taskId).setReason(reason).setIdempotencyKey(key).build()).getTask();
            default -> throw new IllegalArgumentException(action + " is not an action");
        });
    }

    /**
     * Passes every update to `visit` until it returns false. An interrupted stream, or one that is silent for 25 seconds, is
     * resumed after the last update. Throws if a retry cannot help.
     */
    public void watch(WatchOutboundTasksRequest request, Predicate<Update> visit) {
        String token = request.getResumeToken();
        boolean hasBegun = false; // an update was received, so a start without a token is a new beginning
        for (int tries = 1; ; tries++) {
            boolean anew = hasBegun && token.isEmpty();
            Status interruption = Status.UNAVAILABLE.withDescription("the stream ended");
            Failure failure = null;
            try (Context.CancellableContext context = Context.current().withCancellation()) {
                WatchOutboundTasksRequest next = request.toBuilder().setResumeToken(token).build();
                Iterator<WatchOutboundTasksResponse> messages = context.call(() -> rpc.watchOutboundTasks(next));
                while (hasNext(messages, context)) {
                    WatchOutboundTasksResponse message = messages.next();
                    if (message.getListAgain()) {
                        token = "";
                        hasBegun = true;
                        interruption = Status.UNAVAILABLE.withDescription("this watch has lost changes");
                        break;
                    }
                    tries = 0;
                    anew |= hasBegun && message.getFresh();
                    token = message.getResumeToken();
                    hasBegun = true;
                    if (!visit.test(new Update(message.getChangesList(), anew, message.hasAsOf(), token))) {
                        return;
                    }
                    anew = false;
                }
            } catch (StatusRuntimeException error) {
                failure = Failure.of(error);
                switch (error.getStatus().getCode()) {
                    case UNAUTHENTICATED, PERMISSION_DENIED, INVALID_ARGUMENT, UNIMPLEMENTED -> throw error;
                    default -> interruption = error.getStatus();
                }
            } catch (RuntimeException error) {
                throw error;
            } catch (Exception error) {
                throw new IllegalStateException(error); // the call throws no checked exception
            }
            pause(tries + 1, failure, interruption);
        }
    }

    /** Waits for the next message, and ends the call if it does not come. The time of the receiver does not count. */
    private boolean hasNext(Iterator<WatchOutboundTasksResponse> messages, Context.CancellableContext context) {
        var silence = timer.schedule(() -> context.cancel(null), SILENCE.toMillis(), TimeUnit.MILLISECONDS);
        try {
            return messages.hasNext();
        } finally {
            silence.cancel(false);
        }
    }

    /** Makes a call up to four times while the service is unavailable. A write must have the same idempotency key in each. */
    public <A> A retry(Supplier<A> call) {
        for (int tries = 1; ; tries++) {
            try {
                return call.get();
            } catch (StatusRuntimeException error) {
                if (error.getStatus().getCode() != Status.Code.UNAVAILABLE || tries == MOST_TRIES) {
                    throw error;
                }
                pause(tries, Failure.of(error), error.getStatus());
            }
        }
    }

    /** An idempotency key that nobody else has. */
    public static String newKey() {
        return UUID.randomUUID().toString();
    }

    /**
     * Waits before the next try. The pause doubles with each try and is random between half of it and all of it, so that many
     * clients do not return to a restarted service at the same instant. It is never shorter than the service asks for.
     */
    private void pause(int tries, Failure failure, Status interruption) {
        long most = Math.min(LONGEST_PAUSE.toMillis(), FIRST_PAUSE.toMillis() << Math.min(tries - 1, 10));
        long pause = ThreadLocalRandom.current().nextLong(most / 2, most);
        if (failure != null && failure.retryAfter() != null) {
            pause = Math.max(pause, failure.retryAfter().toMillis());
        }
        try {
            Thread.sleep(pause);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            throw interruption.withCause(error).asRuntimeException();
        }
        channel.resetConnectBackoff(); // this is the pause; the channel needs none of its own
    }

    /** Adds the key to each call, and the timeout to each unary one without a deadline. */
    private record WithKey(String apiKey) implements ClientInterceptor {
        @Override
        public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
            if (method.getType() == MethodDescriptor.MethodType.UNARY && options.getDeadline() == null) {
                options = options.withDeadlineAfter(TIMEOUT.toMillis(), TimeUnit.MILLISECONDS);
            }
            return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
                @Override
                public void start(Listener<A> listener, Metadata headers) {
                    headers.put(API_KEY, apiKey);
                    super.start(listener, headers);
                }
            };
        }
    }
}
