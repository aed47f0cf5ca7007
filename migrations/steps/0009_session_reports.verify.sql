SELECT 'sessions of the database do not load $libdir/taskmaster'
 WHERE NOT EXISTS (
    SELECT FROM pg_db_role_setting s
      JOIN pg_database d ON d.oid = s.setdatabase,
           unnest(s.setconfig) AS setting
     WHERE d.datname = current_database()
       AND s.setrole = 0
       AND setting LIKE 'session\_preload\_libraries=%$libdir/taskmaster%');
