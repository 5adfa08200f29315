-- The engine's own tables and functions, format 1. An at sign stands for the schema.
CREATE TABLE @._meta (key text PRIMARY KEY, value text NOT NULL);
CREATE TABLE @._schema (name text PRIMARY KEY, indexes jsonb NOT NULL);
CREATE TABLE @._counts (name text PRIMARY KEY, rows bigint NOT NULL, digest bigint NOT NULL) WITH (fillfactor = 10);
CREATE TABLE @._sequences (name text COLLATE "C" PRIMARY KEY, value bigint NOT NULL) WITH (fillfactor = 10);
CREATE TABLE @._leader (one boolean PRIMARY KEY DEFAULT true CHECK (one), term bigint NOT NULL, op bigint NOT NULL) WITH (fillfactor = 10);
CREATE TABLE @._terms (term bigint PRIMARY KEY, op bigint NOT NULL, ended timestamptz NOT NULL DEFAULT now());
INSERT INTO @._leader (term, op) VALUES (0, 0);

-- _begin makes the transaction the only writer and ends it unless term t leads. The lock comes first: what is read after
-- it is what the writer before has left.
CREATE FUNCTION @._begin(t bigint) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(%LOCK%);
	IF (SELECT l.term FROM @._leader l) IS DISTINCT FROM t THEN
		RAISE EXCEPTION 'another term leads' USING ERRCODE = 'PPP01';
	END IF;
END $$;

-- _finish notes operation o, the changes of counts and digests by table, and the sequences: each from was to its new value.
CREATE FUNCTION @._finish(t bigint, o bigint, tables text[], added bigint[], mixed bigint[], seqs text[], was bigint[], become bigint[])
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	UPDATE @._leader l SET op = o WHERE l.term = t;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'another term leads' USING ERRCODE = 'PPP01';
	END IF;
	FOR i IN 1 .. coalesce(array_length(tables, 1), 0) LOOP
		UPDATE @._counts c SET rows = c.rows + added[i], digest = c.digest # mixed[i] WHERE c.name = tables[i];
	END LOOP;
	FOR i IN 1 .. coalesce(array_length(seqs, 1), 0) LOOP
		INSERT INTO @._sequences AS s (name, value) VALUES (seqs[i], become[i])
			ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE s.value = was[i];
		IF NOT FOUND THEN
			RAISE EXCEPTION 'a sequence has moved' USING ERRCODE = 'PPP02';
		END IF;
	END LOOP;
END $$;
