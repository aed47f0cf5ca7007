-- In the order of the foreign keys. Partitions go with their parents.

DROP TABLE taskmaster.api_access_logs;

DROP TABLE taskmaster.external_integrations;

DROP TABLE taskmaster.system_metrics;

DROP TABLE taskmaster.workflows;

DROP TABLE taskmaster.tasks;
