-- The statements that give PG_URL's database, and what is in it, to PG_URL's role; none where it owns everything.
WITH app AS (SELECT oid, quote_ident(rolname) AS name FROM pg_roles WHERE rolname = %(owner)s),
schemas AS (
  SELECT oid, nspname FROM pg_namespace n
  WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'dbops')
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e')
),
objects AS (
  SELECT 0 AS place, format('ALTER DATABASE %%I OWNER TO ', datname) AS words, datdba AS owner FROM pg_database WHERE datname = current_database()
  UNION ALL
  SELECT 1, format('ALTER SCHEMA %%I OWNER TO ', s.nspname), n.nspowner FROM schemas s JOIN pg_namespace n ON n.oid = s.oid
  UNION ALL
  SELECT 2, format('ALTER %%s %%I.%%I OWNER TO ',
                   CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE'
                                  ELSE 'TABLE' END, s.nspname, c.relname), c.relowner
  FROM pg_class c JOIN schemas s ON s.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'S', 'v', 'm', 'f')
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                    AND (d.deptype = 'e' OR (c.relkind = 'S' AND d.deptype IN ('a', 'i'))))
  UNION ALL
  SELECT 3, format('ALTER ROUTINE %%s OWNER TO ', p.oid::regprocedure), p.proowner
  FROM pg_proc p JOIN schemas s ON s.oid = p.pronamespace
  WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
  UNION ALL
  SELECT 4, format('ALTER TYPE %%I.%%I OWNER TO ', s.nspname, t.typname), t.typowner
  FROM pg_type t JOIN schemas s ON s.oid = t.typnamespace
  WHERE (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c')))
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
  UNION ALL
  SELECT 5, format('ALTER LARGE OBJECT %%s OWNER TO ', oid), lomowner FROM pg_largeobject_metadata
)
-- Whoever owns the database owns what belongs to pg_database_owner, as the schema public does.
SELECT objects.words || app.name AS statement FROM objects, app
WHERE objects.owner NOT IN (app.oid, 'pg_database_owner'::regrole) ORDER BY place, 1
