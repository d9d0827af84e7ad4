package database

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// IsPostgres reports whether a text is a URL of Postgres.
func IsPostgres(text string) bool {
	return strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://")
}

// Postgres makes a pool of connections to the database of a URL, of which none
// is open yet, with the settings that [pgxpool.ParseConfig] reads. No error
// holds the password. See [DB.Prepare].
func Postgres(text string) (*DB, error) {
	config, err := parse(text)
	if err != nil {
		return nil, err
	}
	pgx, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, err
	}
	db := stdlib.OpenDBFromPool(pgx)
	return &DB{Conn: Conn{sql: db, postgres: true, pool: &pool{Pool: pgx}}, sql: db}, nil
}

// Listen has the streams of changes connect to another URL of the same
// database: straight to it, where the first is that of a pooler. "": to the
// first.
func (d *DB) Listen(text string) error {
	if text == "" {
		return nil
	}
	config, err := parse(text)
	if err == nil {
		d.listen = config.ConnConfig
	}
	return err
}

var errURL = errors.New("no URL of a database: want postgres://USER:PASSWORD@HOST:PORT/DATABASE?SETTINGS, with %XX for what is special in the password")

func parse(text string) (*pgxpool.Config, error) {
	// What is wrong with a URL that cannot be read, or only as another one, may
	// be the password: then nothing of it is repeated.
	u, err := url.Parse(text)
	if err != nil || !IsPostgres(text) || u.Fragment != "" || strings.Contains(u.Path+u.RawQuery, "@") {
		return nil, errURL
	}
	config, err := pgxpool.ParseConfig(text)
	if err != nil {
		return nil, settingError(err, u)
	}
	if config.MaxConns < 2 { // what runs in a transaction may need another one
		return nil, errors.New("pool_max_conns must be 2 or more")
	}
	config.ConnConfig.RuntimeParams["client_encoding"] = "UTF8"
	config.ConnConfig.RuntimeParams["datestyle"] = "ISO"
	if config.ConnConfig.ValidateConnect == nil { // of several hosts the primary
		config.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
	}
	return config, nil
}

// settingError is an error of pgxpool.ParseConfig without the URL.
func settingError(err error, u *url.URL) error {
	var bad *pgconn.ParseConfigError
	if !errors.As(err, &bad) {
		return errURL
	}
	// "cannot parse `postgres://…`: what is wrong (and why)"
	i := strings.LastIndex(err.Error(), "`: ")
	if i < 0 {
		return errURL
	}
	reason := err.Error()[i+len("`: "):]
	secrets := []string{u.Query().Get("password"), u.Query().Get("sslpassword")}
	if given, ok := u.User.Password(); ok {
		secrets = append(secrets, given)
	}
	for _, s := range secrets {
		if s != "" && strings.Contains(reason, s) {
			return errURL
		}
	}
	return errors.New(reason)
}
