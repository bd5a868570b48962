#!/usr/bin/env bash
# Starts PostgreSQL, MariaDB and Redis where nothing answers on their ports; on Debian,
# as root, installs them first. Each listens on 127.0.0.1 and takes the user that the
# tests expect. What already runs is left alone.
set -euo pipefail

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

wait_for() {
	for _ in $(seq 100); do
		answers "$1" && return
		sleep 0.2
	done
	echo "nothing answers on port $1" >&2
	exit 1
}

install() {
	local missing=()
	for package in "$@"; do
		dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
	done
	if ((${#missing[@]})); then
		apt-get update -qq
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
	fi
}

start_postgres() {
	install postgresql
	local version
	version=$(ls /etc/postgresql | sort -n | tail -1)
	# Whoever reaches the port may be anybody: for tests on this machine only.
	sed -i 's/^\(host .*127\.0\.0\.1\/32 *\).*/\1trust/' "/etc/postgresql/$version/main/pg_hba.conf"
	pg_ctlcluster --skip-systemctl-redirect "$version" main start || pg_ctlcluster --skip-systemctl-redirect "$version" main reload
	wait_for 5432
	psql -h 127.0.0.1 -U postgres -tc "SELECT 1 FROM pg_database WHERE datname = 'test'" | grep -q 1 ||
		createdb -h 127.0.0.1 -U postgres test
}

start_mariadb() {
	install mariadb-server
	mkdir -p /run/mysqld
	chown mysql /run/mysqld
	start-stop-daemon --start --oknodo --background --exec /usr/sbin/mariadbd -- --user=mysql --bind-address=127.0.0.1
	wait_for 3306
	mariadb -u root -e "ALTER USER root@localhost IDENTIFIED VIA mysql_native_password USING ''; CREATE DATABASE IF NOT EXISTS test"
}

start_redis() {
	install redis-server
	redis-server --daemonize yes --bind 127.0.0.1 --port 6379 --save '' --appendonly no >/dev/null
	wait_for 6379
}

answers 5432 || start_postgres
answers 3306 || start_mariadb
answers 6379 || start_redis
echo "PostgreSQL, MariaDB and Redis answer on 127.0.0.1"
