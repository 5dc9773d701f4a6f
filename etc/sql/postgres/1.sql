-- Users of Fulmar in PostgreSQL, version 1: what `fulmar database migrate` runs; see users-sql(5).
CREATE TABLE mail_schema (version integer NOT NULL);

-- Domains: settings as in users/DOMAIN/domain, a line each (quota 1G, alias-of example.org, ...).
CREATE TABLE mail_domains (
    name text PRIMARY KEY CHECK (name = lower(name)),
    settings text NOT NULL DEFAULT ''
);

-- Accounts: password as {SCHEME}..., quota in bytes; settings: further words as in users/DOMAIN/accounts.
CREATE TABLE mail_accounts (
    domain text NOT NULL REFERENCES mail_domains (name) ON UPDATE CASCADE ON DELETE CASCADE,
    name text NOT NULL CHECK (name = lower(name)),
    password text,
    active boolean NOT NULL DEFAULT true,
    delivery text CHECK (delivery IN ('mailbox', 'forward', 'both', 'qmail')),
    forward text,
    wildcard boolean NOT NULL DEFAULT false,
    quota bigint CHECK (quota >= 0),
    services text,
    settings text NOT NULL DEFAULT '',
    PRIMARY KEY (domain, name)
);

-- Aliases: a row for each address that a name leads to.
CREATE TABLE mail_aliases (
    domain text NOT NULL REFERENCES mail_domains (name) ON UPDATE CASCADE ON DELETE CASCADE,
    name text NOT NULL CHECK (name = lower(name)),
    target text NOT NULL,
    PRIMARY KEY (domain, name, target)
);

-- Routes: a name whose mail goes into a folder of an account (account/.Folder).
CREATE TABLE mail_routes (
    domain text NOT NULL REFERENCES mail_domains (name) ON UPDATE CASCADE ON DELETE CASCADE,
    name text NOT NULL CHECK (name = lower(name)),
    destination text NOT NULL,
    active boolean NOT NULL DEFAULT true,
    PRIMARY KEY (domain, name)
);

-- The relay table, where control/relaytable says `database`.
CREATE TABLE relay (
    email text NOT NULL,
    ipaddr text NOT NULL,
    "timestamp" bigint NOT NULL,
    PRIMARY KEY (email, ipaddr)
);
CREATE INDEX relay_ipaddr ON relay (ipaddr);

-- Who may only send: other programs put rows here. crypt_password is the SHA-256 of salt and password, in hex.
CREATE SEQUENCE eng_smtp_auth_users__raw_db_access_id_seq;
CREATE TABLE eng_smtp_auth_users__raw_db_access (
    id bigint NOT NULL DEFAULT nextval('eng_smtp_auth_users__raw_db_access_id_seq'),
    username text NOT NULL,
    crypt_password text NOT NULL,
    crypt_salt text NOT NULL,
    active boolean NOT NULL DEFAULT true,
    CONSTRAINT eng_smtp_auth_users__raw_db_access_pkey PRIMARY KEY (id)
);
ALTER SEQUENCE eng_smtp_auth_users__raw_db_access_id_seq OWNED BY eng_smtp_auth_users__raw_db_access.id;
CREATE UNIQUE INDEX eng_smtp_auth_users__raw_db_access__username__uniq
    ON eng_smtp_auth_users__raw_db_access USING btree (lower(username));

INSERT INTO mail_schema (version) VALUES (1);
