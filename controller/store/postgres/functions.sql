-- The engine's own functions. They are made with the schema, and at a takeover where one is missing.

-- _begin makes the transaction the only writer and ends it unless term t leads. The lock comes first: what is read after
-- it is what the writer before has left. The last operation must be one from kept, the last that is known to be committed,
-- to sent: anything else, or a lower term, is a database that has gone back to an earlier state.
CREATE OR REPLACE FUNCTION @._begin(t bigint, kept bigint, sent bigint) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	leads bigint;
	last bigint;
BEGIN
	PERFORM pg_advisory_xact_lock(%LOCK%);
	SELECT l.term, l.op INTO leads, last FROM @._leader l;
	IF leads < t OR leads = t AND last NOT BETWEEN kept AND sent THEN
		RAISE EXCEPTION 'committed operations are gone' USING ERRCODE = 'PPP03';
	END IF;
	IF leads IS DISTINCT FROM t THEN
		RAISE EXCEPTION 'another term leads' USING ERRCODE = 'PPP01';
	END IF;
END $$;

-- _finish notes operation o, the changes of counts and digests by table, and the sequences: each from was to its new value.
CREATE OR REPLACE FUNCTION @._finish(t bigint, o bigint, tables text[], added bigint[], mixed bigint[], seqs text[], was bigint[], become bigint[])
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
