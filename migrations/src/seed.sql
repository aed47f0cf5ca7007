-- Puts a few rows into every table that has none, tables before those that refer to them. A value is
-- made of its column's type, and of the literals in its checks; what still is refused stays empty, and
-- the names of those tables are raised as notices. To be run in a database that nobody uses.
DO $seed$
DECLARE
    round int;
    t record;
    c record;
    columns text;
    vals text;
    literal text;
    value text;
    empty boolean;
    all_columns boolean;
    n int;
BEGIN
    FOR round IN 1..4 LOOP
        FOR t IN
            SELECT r.oid, r.oid::regclass AS name
              FROM pg_class AS r JOIN pg_namespace AS s ON s.oid = r.relnamespace
             WHERE r.relkind IN ('r', 'p') AND NOT r.relispartition AND s.nspname !~ '^pg_'
               AND s.nspname NOT IN ('information_schema', 'taskmaster_migrations', 'taskmaster_backup')
               AND r.relname <> 'schema_migrations'
             ORDER BY (SELECT count(*) FROM pg_constraint WHERE conrelid = r.oid AND contype = 'f'), r.oid::regclass::text
        LOOP
            EXECUTE format('SELECT NOT EXISTS (SELECT FROM %s)', t.name) INTO empty;
            CONTINUE WHEN NOT empty;
            -- With every column first; where that is refused, with those that must be given.
            FOR n, all_columns IN SELECT i, whole FROM generate_series(1, 3) AS i, unnest(ARRAY[true, false]) AS whole ORDER BY whole DESC, i LOOP
                CONTINUE WHEN NOT all_columns AND NOT empty;
                columns := NULL;
                vals := NULL;
                FOR c IN
                    SELECT a.attname, a.attnum, a.atttypid, a.atttypmod, a.attnotnull, y.typcategory, y.typtype, y.typname,
                           (SELECT format('(SELECT %I FROM %s LIMIT 1)', fa.attname, k.confrelid::regclass)
                              FROM pg_constraint AS k
                              JOIN pg_attribute AS fa ON fa.attrelid = k.confrelid AND fa.attnum = k.confkey[array_position(k.conkey, a.attnum)]
                             WHERE k.conrelid = t.oid AND k.contype = 'f' AND a.attnum = ANY (k.conkey)
                               AND (k.confrelid <> t.oid OR a.attnotnull) LIMIT 1) AS reference,
                           EXISTS (SELECT FROM pg_constraint AS k
                                    WHERE k.conrelid = t.oid AND k.contype = 'f' AND a.attnum = ANY (k.conkey)) AS refers,
                           (SELECT (regexp_match(pg_get_constraintdef(k.oid), '''([^'']+)'''))[1]
                              FROM pg_constraint AS k
                             WHERE k.conrelid = t.oid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum]
                               AND pg_get_constraintdef(k.oid) ~ '= (ANY|''|\(\(?ARRAY)' LIMIT 1) AS allowed
                      FROM pg_attribute AS a JOIN pg_type AS y ON y.oid = a.atttypid
                     WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                       AND NOT a.atthasdef AND a.attidentity = '' AND (all_columns OR a.attnotnull)
                LOOP
                    literal := CASE
                        WHEN c.allowed IS NOT NULL THEN c.allowed
                        WHEN c.typtype = 'e' THEN (SELECT enumlabel FROM pg_enum WHERE enumtypid = c.atttypid ORDER BY enumsortorder LIMIT 1)
                        WHEN c.typname = 'uuid' THEN gen_random_uuid()::text
                        WHEN c.typcategory = 'N' THEN n::text
                        WHEN c.typcategory = 'S' THEN left('seed ' || n, CASE WHEN c.atttypmod > 4 THEN c.atttypmod - 4 ELSE 100 END)
                        WHEN c.typcategory = 'D' THEN (now() - n * interval '1 day')::text
                        WHEN c.typcategory = 'T' THEN n || ' days'
                        WHEN c.typcategory = 'B' THEN 'true'
                        WHEN c.typcategory = 'A' THEN '{}'
                        WHEN c.typcategory = 'I' THEN '192.0.2.' || n
                        WHEN c.typname IN ('json', 'jsonb') THEN '{}'
                        WHEN c.typname = 'bytea' THEN '\x00'
                    END;
                    CONTINUE WHEN literal IS NULL;
                    value := CASE WHEN c.refers THEN coalesce(c.reference, 'NULL')
                                  ELSE quote_literal(literal) || '::' || format_type(c.atttypid, c.atttypmod) END;
                    columns := concat_ws(', ', columns, quote_ident(c.attname));
                    vals := concat_ws(', ', vals, value);
                END LOOP;
                BEGIN
                    IF columns IS NULL THEN
                        EXECUTE format('INSERT INTO %s DEFAULT VALUES', t.name);
                    ELSE
                        EXECUTE format('INSERT INTO %s (%s) VALUES (%s)', t.name, columns, vals);
                    END IF;
                    IF empty THEN
                        RAISE NOTICE 'made rows for table %', t.name;
                    END IF;
                    empty := false;
                EXCEPTION WHEN OTHERS THEN
                    IF round = 4 AND n = 1 AND NOT all_columns THEN
                        RAISE NOTICE 'no row for table %: %', t.name, SQLERRM;
                    END IF;
                END;
            END LOOP;
        END LOOP;
    END LOOP;
END
$seed$
