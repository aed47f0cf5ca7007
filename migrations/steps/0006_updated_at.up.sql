-- updated_at says when a row last changed, whoever changed it. An update that changes nothing does
-- not count. The function belongs to the migrations and not to the extension: DROP EXTENSION must
-- not take triggers along.

CREATE FUNCTION taskmaster.set_updated_at() RETURNS trigger
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $set_updated_at$
BEGIN
    NEW.updated_at := pg_catalog.now();
    RETURN NEW;
END
$set_updated_at$;

CREATE TRIGGER tasks_set_updated_at BEFORE UPDATE ON taskmaster.tasks
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)
    EXECUTE FUNCTION taskmaster.set_updated_at();

CREATE TRIGGER external_integrations_set_updated_at BEFORE UPDATE ON taskmaster.external_integrations
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)
    EXECUTE FUNCTION taskmaster.set_updated_at();
