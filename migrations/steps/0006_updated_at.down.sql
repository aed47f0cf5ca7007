DROP TRIGGER external_integrations_set_updated_at ON taskmaster.external_integrations;

DROP TRIGGER tasks_set_updated_at ON taskmaster.tasks;

DROP FUNCTION taskmaster.set_updated_at();
