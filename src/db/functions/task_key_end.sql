-- A key that is greater than every task_key: ids have at most 128 characters.
CREATE OR REPLACE FUNCTION task_key_end()
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$ SELECT repeat(chr(1114111), 129) $function$;
