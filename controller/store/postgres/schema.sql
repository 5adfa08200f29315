-- The engine's own tables and functions, format 1. An at sign stands for the schema.
CREATE TABLE @._meta (key text PRIMARY KEY, value text NOT NULL);
CREATE TABLE @._schema (name text PRIMARY KEY, indexes jsonb NOT NULL);
CREATE TABLE @._counts (name text PRIMARY KEY, rows bigint NOT NULL, digest bigint NOT NULL) WITH (fillfactor = 10);
CREATE TABLE @._sequences (name text COLLATE "C" PRIMARY KEY, value bigint NOT NULL) WITH (fillfactor = 10);
CREATE TABLE @._leader (one boolean PRIMARY KEY DEFAULT true CHECK (one), term bigint NOT NULL, op bigint NOT NULL) WITH (fillfactor = 10);
CREATE TABLE @._terms (term bigint PRIMARY KEY, op bigint NOT NULL, ended timestamptz NOT NULL DEFAULT now());
INSERT INTO @._leader (term, op) VALUES (0, 0);
