// Package rolling restarts processes in turn, by SIGTERM, while they call with many sessions
// over one PostgreSQL, which is restarted, too.
//
//	make rolling RESTARTS=10
package rolling
