// Generated from the migrated database by the test `schema_rs_matches_the_migrations`; do not edit.

diesel::table! {
    api_keys (tenant_id, key_id) {
        tenant_id -> Text,
        key_id -> Text,
        name -> Text,
        secret_hash -> Bytea,
        scopes -> Array<Text>,
        created_at -> Timestamptz,
        expires_at -> Nullable<Timestamptz>,
        revoked_at -> Nullable<Timestamptz>,
        last_used_at -> Nullable<Timestamptz>,
        rate -> Nullable<Text>,
        cost -> Nullable<Text>,
        created_by -> Nullable<Text>,
        revoked_by -> Nullable<Text>,
    }
}

diesel::table! {
    idempotency_keys (tenant_id, idempotency_key) {
        tenant_id -> Text,
        idempotency_key -> Text,
        request_hash -> Bytea,
        outcome -> Text,
        created_at -> Timestamptz,
        outcome_version -> Int2,
        command_hash -> Nullable<Bytea>,
    }
}

diesel::table! {
    task_changes (tenant_id, change_id) {
        tenant_id -> Text,
        change_id -> Int8,
        start_time -> Timestamptz,
        task_id -> Text,
        was -> Int2,
        status -> Int2,
        name_pending -> Bool,
        created_at -> Nullable<Timestamptz>,
        end_time -> Nullable<Timestamptz>,
        labels -> Nullable<Array<Text>>,
        names_ahead_of -> Nullable<Int8>,
    }
}

diesel::table! {
    task_events (tenant_id, task_id, event_id) {
        tenant_id -> Text,
        task_id -> Text,
        event_id -> Int8,
        at -> Timestamptz,
        key_id -> Text,
        kind -> Text,
        reason -> Text,
        changes -> Jsonb,
        customer_ids -> Nullable<Array<Text>>,
    }
}

diesel::table! {
    task_label_counts (tenant_id, label) {
        tenant_id -> Text,
        label -> Text,
        pending -> Int4,
        running -> Int4,
        paused -> Int4,
        completed -> Int4,
        stopped -> Int4,
        failed -> Int4,
    }
}

diesel::table! {
    task_labels (tenant_id, label, status, start_time, task_id) {
        tenant_id -> Text,
        label -> Text,
        status -> Int2,
        start_time -> Timestamptz,
        task_id -> Text,
    }
}

diesel::table! {
    task_log (tenant_id, xid, log_id) {
        tenant_id -> Text,
        xid -> Int8,
        log_id -> Int8,
        at -> Timestamptz,
        task_id -> Nullable<Text>,
        was_status -> Nullable<Int2>,
        was_start_time -> Nullable<Timestamptz>,
        was_end_time -> Nullable<Timestamptz>,
        was_created_at -> Nullable<Timestamptz>,
        was_updated_at -> Nullable<Timestamptz>,
        was_name -> Nullable<Text>,
        targets_changed -> Bool,
        was_labels -> Nullable<Array<Text>>,
    }
}

diesel::table! {
    task_progress (tenant_id, task_id, minute) {
        tenant_id -> Text,
        task_id -> Text,
        minute -> Int4,
        at -> Timestamptz,
        generation -> Int8,
        calls -> Int8,
        target_count -> Int4,
        targets_answered -> Int4,
        targets_no_answer -> Int4,
        targets_busy -> Int4,
        targets_failed -> Int4,
        targets_skipped -> Int4,
        progress -> Int2,
    }
}

diesel::table! {
    task_segments (tenant_id, sort, level, key) {
        tenant_id -> Text,
        sort -> Int2,
        level -> Int2,
        start_time -> Timestamptz,
        task_id -> Text,
        key -> Text,
        pending -> Int4,
        running -> Int4,
        paused -> Int4,
        completed -> Int4,
        stopped -> Int4,
        failed -> Int4,
    }
}

diesel::table! {
    task_targets (tenant_id, task_id, position) {
        tenant_id -> Text,
        task_id -> Text,
        position -> Int4,
        customer_id -> Text,
        state -> Int2,
        attempt -> Int4,
        result_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    tasks (tenant_id, task_id) {
        tenant_id -> Text,
        task_id -> Text,
        name -> Text,
        start_time -> Timestamptz,
        end_time -> Timestamptz,
        status -> Int2,
        progress -> Int2,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        target_count -> Int4,
        target -> Array<Text>,
        window_class -> Int2,
        revision -> Int8,
        status_reason -> Text,
        status_changed_at -> Nullable<Timestamptz>,
        targets_answered -> Int4,
        targets_no_answer -> Int4,
        targets_busy -> Int4,
        targets_failed -> Int4,
        targets_skipped -> Int4,
        generation -> Int8,
        labels -> Nullable<Array<Text>>,
        copied_from -> Text,
        last_result_at -> Nullable<Timestamptz>,
        calls -> Int8,
    }
}

diesel::table! {
    tenants (tenant_id) {
        tenant_id -> Text,
        page_token_key -> Bytea,
        created_at -> Timestamptz,
        log_trimmed -> Int8,
    }
}

diesel::joinable!(api_keys -> tenants (tenant_id));
diesel::allow_tables_to_appear_in_same_query!(api_keys, tenants);
