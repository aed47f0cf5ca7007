-- Every object of the database as (kind, name, definition), but those of PostgreSQL itself, of
-- extensions (which stand for them), of the runner's own records, and partitions, which upkeep
-- makes and drops day by day. Names and definitions hold no oid and no column number, so that what
-- was dropped and made again in the same way is the same: pg_attver, which the security releases of
-- November 2026 keep among a column's options, is the column's age and no part of it. To be run with search_path at pg_catalog.
WITH space AS MATERIALIZED (
    SELECT oid, nspname, nspowner, nspacl FROM pg_namespace
     WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'taskmaster_migrations', 'taskmaster_backup')
), member AS MATERIALIZED (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), relation AS MATERIALIZED (
    SELECT c.*, format('%I.%I', s.nspname, c.relname) AS name
      FROM pg_class AS c JOIN space AS s ON s.oid = c.relnamespace
     WHERE NOT c.relispartition AND c.relkind IN ('r', 'v', 'm', 'S', 'f', 'p')
       AND NOT EXISTS (SELECT FROM member WHERE classid = 'pg_class'::regclass AND objid = c.oid)
), described AS MATERIALIZED (
    SELECT classoid, objoid, objsubid, description FROM pg_description WHERE objoid >= 2200
)
SELECT 'schema' AS kind, quote_ident(s.nspname) AS name,
       concat_ws(' ', 'owner', s.nspowner::regrole, (SELECT string_agg(x::text, ' ' ORDER BY x::text) FROM unnest(coalesce(s.nspacl, acldefault('n', s.nspowner))) AS x), d.description) AS definition
  FROM space AS s
  LEFT JOIN described AS d ON d.classoid = 'pg_namespace'::regclass AND d.objoid = s.oid
UNION ALL
SELECT CASE r.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
            WHEN 'f' THEN 'foreign table' ELSE 'table' END,
       r.name,
       concat_ws(' ', 'owner', r.relowner::regrole, (SELECT string_agg(x::text, ' ' ORDER BY x::text) FROM unnest(coalesce(r.relacl, acldefault(CASE r.relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END, r.relowner))) AS x), r.relpersistence, r.reloptions::text,
            CASE WHEN r.relrowsecurity THEN 'row security' END,
            CASE WHEN r.relforcerowsecurity THEN 'forced' END,
            CASE WHEN r.relreplident <> 'd' THEN 'replica identity ' || r.relreplident::text END,
            (SELECT 'inherits ' || string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno)
               FROM pg_inherits AS i WHERE i.inhrelid = r.oid),
            CASE WHEN r.relkind = 'p' THEN 'partition by ' || pg_get_partkeydef(r.oid) END,
            CASE WHEN r.relkind IN ('v', 'm') THEN pg_get_viewdef(r.oid) END,
            (SELECT concat_ws(' ', q.seqtypid::regtype, q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache, q.seqcycle)
               FROM pg_sequence AS q WHERE q.seqrelid = r.oid),
            d.description)
  FROM relation AS r
  LEFT JOIN described AS d ON d.classoid = 'pg_class'::regclass AND d.objoid = r.oid AND d.objsubid = 0
UNION ALL
SELECT 'column', r.name || '.' || quote_ident(a.attname),
       concat_ws(' ', format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'not null' END,
            CASE WHEN a.attcollation <> t.typcollation THEN 'collate ' || a.attcollation::regcollation END,
            CASE WHEN a.attgenerated <> '' THEN 'generated' END, 'default ' || pg_get_expr(f.adbin, f.adrelid),
            CASE WHEN a.attidentity <> '' THEN 'identity ' || a.attidentity::text END,
            CASE WHEN a.attstorage <> t.typstorage THEN 'storage ' || a.attstorage::text END,
            CASE WHEN a.attcompression <> '' THEN 'compression ' || a.attcompression::text END,
            (SELECT string_agg(x, ' ' ORDER BY x) FROM unnest(a.attoptions) AS x WHERE x NOT LIKE 'pg\_attver=%'), (SELECT string_agg(x::text, ' ' ORDER BY x::text) FROM unnest(a.attacl) AS x), d.description)
  FROM relation AS r
  JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type AS t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef AS f ON f.adrelid = r.oid AND f.adnum = a.attnum
  LEFT JOIN described AS d ON d.classoid = 'pg_class'::regclass AND d.objoid = r.oid AND d.objsubid = a.attnum
 WHERE r.relkind <> 'S'
UNION ALL
SELECT 'index', format('%I.%I', s.nspname, c.relname),
       concat_ws(' ', pg_get_indexdef(i.indexrelid), CASE WHEN NOT i.indisvalid THEN 'INVALID' END,
            CASE WHEN i.indisclustered THEN 'clustered' END, CASE WHEN i.indisreplident THEN 'replica identity' END,
            d.description)
  FROM relation AS r
  JOIN pg_index AS i ON i.indrelid = r.oid
  JOIN pg_class AS c ON c.oid = i.indexrelid
  JOIN space AS s ON s.oid = c.relnamespace
  LEFT JOIN described AS d ON d.classoid = 'pg_class'::regclass AND d.objoid = c.oid
UNION ALL
SELECT 'constraint', r.name || '.' || quote_ident(n.conname),
       concat_ws(' ', pg_get_constraintdef(n.oid), CASE WHEN n.connoinherit THEN 'no inherit' END, d.description)
  FROM relation AS r
  JOIN pg_constraint AS n ON n.conrelid = r.oid AND n.contype <> 't'
  LEFT JOIN described AS d ON d.classoid = 'pg_constraint'::regclass AND d.objoid = n.oid
UNION ALL
SELECT 'trigger', r.name || '.' || quote_ident(g.tgname),
       concat_ws(' ', pg_get_triggerdef(g.oid), CASE WHEN g.tgenabled <> 'O' THEN 'enabled ' || g.tgenabled::text END, d.description)
  FROM relation AS r
  JOIN pg_trigger AS g ON g.tgrelid = r.oid AND NOT g.tgisinternal
  LEFT JOIN described AS d ON d.classoid = 'pg_trigger'::regclass AND d.objoid = g.oid
UNION ALL
SELECT 'policy', r.name || '.' || quote_ident(p.polname),
       concat_ws(' ', CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END, p.polcmd,
            (SELECT string_agg(CASE role WHEN 0 THEN 'public' ELSE role::regrole::text END, ', ' ORDER BY role)
               FROM unnest(p.polroles) AS role),
            'using ' || pg_get_expr(p.polqual, p.polrelid), 'check ' || pg_get_expr(p.polwithcheck, p.polrelid))
  FROM relation AS r JOIN pg_policy AS p ON p.polrelid = r.oid
UNION ALL
SELECT 'rule', r.name || '.' || quote_ident(w.rulename), pg_get_ruledef(w.oid) || ' ' || w.ev_enabled::text
  FROM relation AS r JOIN pg_rewrite AS w ON w.ev_class = r.oid AND w.rulename <> '_RETURN'
UNION ALL
SELECT 'statistics', format('%I.%I', s.nspname, x.stxname), pg_get_statisticsobjdef(x.oid)
  FROM pg_statistic_ext AS x JOIN space AS s ON s.oid = x.stxnamespace
UNION ALL
SELECT CASE p.prokind WHEN 'a' THEN 'aggregate' WHEN 'p' THEN 'procedure' ELSE 'function' END,
       format('%I.%I(%s)', s.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
       concat_ws(' ', 'owner', p.proowner::regrole, (SELECT string_agg(x::text, ' ' ORDER BY x::text) FROM unnest(coalesce(p.proacl, acldefault('f', p.proowner))) AS x),
            CASE WHEN p.prokind = 'a'
                 THEN (SELECT concat_ws(' ', a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggtranstype::regtype, a.agginitval)
                         FROM pg_aggregate AS a WHERE a.aggfnoid = p.oid)
                 ELSE pg_get_functiondef(p.oid) END,
            d.description)
  FROM pg_proc AS p JOIN space AS s ON s.oid = p.pronamespace
  LEFT JOIN described AS d ON d.classoid = 'pg_proc'::regclass AND d.objoid = p.oid
 WHERE NOT EXISTS (SELECT FROM member WHERE classid = 'pg_proc'::regclass AND objid = p.oid)
UNION ALL
SELECT CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'type' END, format('%I.%I', s.nspname, t.typname),
       concat_ws(' ', 'owner', t.typowner::regrole, (SELECT string_agg(x::text, ' ' ORDER BY x::text) FROM unnest(coalesce(t.typacl, acldefault('T', t.typowner))) AS x), t.typtype,
            (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_enum AS e WHERE e.enumtypid = t.oid),
            CASE WHEN t.typtype = 'd' THEN concat_ws(' ', format_type(t.typbasetype, t.typtypmod),
                 CASE WHEN t.typnotnull THEN 'not null' END, 'default ' || t.typdefault) END,
            (SELECT string_agg(n.conname || ' ' || pg_get_constraintdef(n.oid), ', ' ORDER BY n.conname)
               FROM pg_constraint AS n WHERE n.contypid = t.oid),
            (SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attname)
               FROM pg_attribute AS a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped),
            (SELECT rngsubtype::regtype FROM pg_range WHERE rngtypid = t.oid))
  FROM pg_type AS t JOIN space AS s ON s.oid = t.typnamespace
  LEFT JOIN pg_class AS c ON c.oid = t.typrelid
 WHERE t.typtype IN ('e', 'd', 'c', 'r', 'b') AND (t.typrelid = 0 OR c.relkind = 'c') AND t.typelem = 0
   AND NOT EXISTS (SELECT FROM member WHERE classid = 'pg_type'::regclass AND objid = t.oid)
UNION ALL
SELECT 'operator', format('%I.%s(%s, %s)', s.nspname, o.oprname, o.oprleft::regtype, o.oprright::regtype),
       concat_ws(' ', o.oprcode, o.oprresult::regtype, o.oprcanmerge, o.oprcanhash)
  FROM pg_operator AS o JOIN space AS s ON s.oid = o.oprnamespace
 WHERE NOT EXISTS (SELECT FROM member WHERE classid = 'pg_operator'::regclass AND objid = o.oid)
UNION ALL
SELECT 'cast', format('%s as %s', c.castsource::regtype, c.casttarget::regtype),
       concat_ws(' ', c.castfunc::regprocedure, c.castcontext, c.castmethod)
  FROM pg_cast AS c
 WHERE c.oid >= 16384 AND NOT EXISTS (SELECT FROM member WHERE classid = 'pg_cast'::regclass AND objid = c.oid)
UNION ALL
SELECT 'collation', format('%I.%I', s.nspname, c.collname), concat_ws(' ', c.collprovider, c.collcollate, c.collctype)
  FROM pg_collation AS c JOIN space AS s ON s.oid = c.collnamespace
UNION ALL
SELECT 'text search configuration', format('%I.%I', s.nspname, c.cfgname),
       (SELECT string_agg(m.maptokentype || ' ' || m.mapdict::regdictionary, ', ' ORDER BY m.maptokentype, m.mapseqno)
          FROM pg_ts_config_map AS m WHERE m.mapcfg = c.oid)
  FROM pg_ts_config AS c JOIN space AS s ON s.oid = c.cfgnamespace
 WHERE NOT EXISTS (SELECT FROM member WHERE classid = 'pg_ts_config'::regclass AND objid = c.oid)
UNION ALL
SELECT 'extension', quote_ident(e.extname), format('%s in %I', e.extversion, n.nspname)
  FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
 WHERE e.oid >= 16384
UNION ALL
SELECT 'event trigger', quote_ident(e.evtname),
       concat_ws(' ', e.evtevent, e.evtfoid::regprocedure, e.evtenabled, e.evttags::text)
  FROM pg_event_trigger AS e
 WHERE NOT EXISTS (SELECT FROM member WHERE classid = 'pg_event_trigger'::regclass AND objid = e.oid)
UNION ALL
SELECT 'publication', quote_ident(p.pubname),
       concat_ws(' ', p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate,
            (SELECT string_agg(r.prrelid::regclass::text, ', ' ORDER BY r.prrelid::regclass::text)
               FROM pg_publication_rel AS r WHERE r.prpubid = p.oid))
  FROM pg_publication AS p
UNION ALL
SELECT 'foreign server', quote_ident(f.srvname), concat_ws(' ', f.srvtype, f.srvversion, (SELECT string_agg(x::text, ' ' ORDER BY x::text) FROM unnest(coalesce(f.srvacl, acldefault('S', f.srvowner))) AS x))
  FROM pg_foreign_server AS f
UNION ALL
SELECT 'default privileges', concat_ws(' ', a.defaclrole::regrole, a.defaclobjtype, s.nspname), a.defaclacl::text
  FROM pg_default_acl AS a LEFT JOIN pg_namespace AS s ON s.oid = a.defaclnamespace
UNION ALL
SELECT 'database setting', split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1)
  FROM pg_db_role_setting AS s JOIN pg_database AS d ON d.oid = s.setdatabase, unnest(s.setconfig) AS setting
 WHERE d.datname = current_database() AND s.setrole = 0
