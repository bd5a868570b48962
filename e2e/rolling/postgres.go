package rolling

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
)

// A cluster is a PostgreSQL server of our own, for it is restarted, and others use the one of
// this machine.
type cluster struct {
	dir, bin string
	port     int
	as       *syscall.Credential

	server *exec.Cmd
	leash  io.Closer // the server ends when it is closed, also by the end of this process
}

// answerLimit is how long a server takes to start at most.
const answerLimit = time.Minute

// newCluster makes a cluster and starts it.
func newCluster(ctx context.Context) (*cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	c := &cluster{bin: bin}
	if c.dir, err = os.MkdirTemp("", "atproto-rolling-"); err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 { // as which PostgreSQL does not run
		if c.as, err = credential("postgres"); err != nil {
			return nil, err
		}
		if err := os.Chown(c.dir, int(c.as.Uid), int(c.as.Gid)); err != nil {
			return nil, err
		}
	}
	cmd := c.command(ctx, filepath.Join(bin, "initdb"), "-D", c.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	if c.port, err = freePort(); err != nil {
		return nil, err
	}
	return c, c.start(ctx)
}

// binaries returns the folder of PostgreSQL's programs: that of PATH, or the newest that Debian
// has installed.
func binaries() (string, error) {
	if found, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(found), nil
	}
	all, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(all) == 0 {
		return "", errors.New("PostgreSQL's initdb and postgres are needed, in PATH or in /usr/lib/postgresql")
	}
	version := func(file string) int {
		n, _ := strconv.Atoi(strings.Split(file, "/")[4])
		return n
	}
	newest := slices.MaxFunc(all, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(newest), nil
}

func credential(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err, gidErr)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (c *cluster) data() string { return filepath.Join(c.dir, "data") }

// source is the data source name.
func (c *cluster) source() string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres", c.port)
}

func (c *cluster) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = c.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.as}
	return cmd
}

// start starts the server, and returns when it answers.
func (c *cluster) start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	// The shell ends the server when its input ends.
	c.server = c.command(context.Background(), "sh", "-c", `"$@" </dev/null & read -r _; kill -INT $!; wait $!`, "sh",
		filepath.Join(c.bin, "postgres"), "-D", c.data(), "-p", strconv.Itoa(c.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off")
	c.server.Stdout, c.server.Stderr = log, log
	if c.leash, err = c.server.StdinPipe(); err != nil {
		return err
	}
	if err := c.server.Start(); err != nil {
		return err
	}
	db, err := sql.Open("pgx", c.source())
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			said, _ := os.ReadFile(log.Name())
			return fmt.Errorf("PostgreSQL does not answer: %w: %s", err, said)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stop ends the server and all its connections, whatever they are at.
func (c *cluster) stop() error {
	c.leash.Close()
	if err := c.server.Wait(); err != nil {
		return fmt.Errorf("PostgreSQL: %w", err)
	}
	return nil
}

// remove ends the server if it runs, and leaves nothing behind.
func (c *cluster) remove() error {
	if c.server != nil && c.server.ProcessState == nil {
		c.stop()
	}
	return os.RemoveAll(c.dir)
}
