-- Gives a changed task a new revision, whichever statement changes it: its older etags no longer match.
CREATE OR REPLACE FUNCTION task_revise()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    NEW.revision := nextval('public.task_revisions');
    RETURN NEW;
END $function$;

CREATE TRIGGER tasks_revised BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION task_revise();
