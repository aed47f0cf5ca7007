// What the JDBC driver sees of a server: one transcript for each of many clients at once.
//
// The same program runs against PostgreSQL and against the proxy, and the transcripts are compared.
// Connection parameters come from the environment; WATCH_PORT is that of PostgreSQL itself, by which
// a query is known to run before it is cancelled, and a notification comes while its listener is idle.

import java.io.ByteArrayOutputStream;
import java.io.StringReader;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import javax.sql.XAConnection;
import javax.transaction.xa.XAResource;
import javax.transaction.xa.Xid;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.largeobject.LargeObject;
import org.postgresql.largeobject.LargeObjectManager;
import org.postgresql.xa.PGXADataSource;

public final class Transcript {
    private static final int CLIENTS = Integer.parseInt(System.getenv("CLIENTS"));
    private static final int WAIT_MS = 300_000;

    private final int number;
    private final String table;
    private final Connection connection;
    private final List<String> lines = new ArrayList<>();

    private interface Action {
        void run() throws Exception;
    }

    private Transcript(int number) throws SQLException {
        this.number = number;
        this.table = "jdbc" + number;
        // The driver names a statement when it runs for the third time; some clients name all at once.
        this.connection = connect("PGPORT", number % 3 == 0 ? "1" : "3");
    }

    private static Connection connect(String port, String threshold) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        properties.setProperty("sslmode", "verify-full");
        properties.setProperty("sslrootcert", System.getenv("PGSSLROOTCERT"));
        properties.setProperty("prepareThreshold", threshold);
        // Fewer than the program prepares, so that the driver closes statements all the time.
        properties.setProperty("preparedStatementCacheQueries", "10");
        return DriverManager.getConnection(url(port), properties);
    }

    private static String url(String port) {
        return "jdbc:postgresql://localhost:" + System.getenv(port) + "/" + System.getenv("PGDATABASE");
    }

    private void say(String part, Object seen) {
        lines.add(number + " " + part + " " + seen);
    }

    private static String state(Action action) throws Exception {
        try {
            action.run();
        } catch (SQLException error) {
            return error.getSQLState();
        }
        return "no error";
    }

    private void run(String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    private String value(String sql) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(sql)) {
            return rows.next() ? rows.getString(1) : "no row";
        }
    }

    private void prepared() throws Exception {
        String sql = "select ?::int + ?, ?::text, ?::bytea, ?::int[], ?::numeric, ?::date, ?::jsonb";
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int step = 0; step < 8; step++) {
                statement.setInt(1, number);
                statement.setInt(2, step);
                statement.setString(3, "é\n");
                statement.setBytes(4, new byte[] {0, -1});
                statement.setArray(5, connection.createArrayOf("int4", new Object[] {1, null, step}));
                statement.setBigDecimal(6, new BigDecimal("12.3400"));
                statement.setDate(7, Date.valueOf("2001-02-03"));
                statement.setString(8, "{\"a\": [1, null]}");
                try (ResultSet row = statement.executeQuery()) {
                    row.next();
                    say("prepared", row.getInt(1) + row.getString(2) + Arrays.toString(row.getBytes(3))
                        + row.getArray(4) + row.getBigDecimal(5) + row.getDate(6) + row.getString(7));
                }
            }
        }
        for (int step = 0; step < 300; step++) {
            if (step % 100 == 0) say("texts", value("select " + number + " + " + step));
        }
        run("deallocate all");
        try (PreparedStatement statement = connection.prepareStatement(sql.replace("?::int + ?", "?::int"))) {
            say("parameters", statement.getParameterMetaData().getParameterCount());
            say("columns", statement.getMetaData().getColumnTypeName(6));
        }
    }

    /** More texts than the driver keeps, each often enough to be named. */
    private void statements() throws Exception {
        for (int round = 0; round < 4; round++) {
            int sum = 0;
            for (int step = 0; step < 25; step++) {
                String sql = "select ?::int + " + step + ", ?::float8, ?::timestamptz";
                try (PreparedStatement statement = connection.prepareStatement(sql)) {
                    statement.setInt(1, number);
                    statement.setDouble(2, 0.1);
                    statement.setString(3, "2001-02-03 04:05:06+00");
                    for (int time = 0; time < 3; time++) {
                        try (ResultSet row = statement.executeQuery()) {
                            row.next();
                            sum += row.getInt(1);
                            if (step == 24 && time == 2) say("binary", row.getDouble(2) + " " + row.getTimestamp(3).getTime());
                        }
                    }
                }
            }
            say("statements", sum);
        }
        say("broken", state(() -> connection.prepareStatement("selec ?").execute()));
        try (Statement statement = connection.createStatement()) {
            int results = 0;
            for (boolean more = statement.execute("select 1; select 2; select 3"); more; more = statement.getMoreResults()) {
                results++;
            }
            say("results", results);
        }
    }

    private void transactions() throws Exception {
        run("create table " + table + " (id serial primary key, word text)");
        connection.setAutoCommit(false);
        String sql = "insert into " + table + " (word) values (?)";
        try (PreparedStatement statement = connection.prepareStatement(sql, Statement.RETURN_GENERATED_KEYS)) {
            for (int step = 0; step < 30; step++) {
                statement.setString(1, "row " + step);
                statement.addBatch();
            }
            say("batch", Arrays.stream(statement.executeBatch()).sum());
            ResultSet keys = statement.getGeneratedKeys();
            keys.next();
            say("key", keys.getInt(1));
        }
        var savepoint = connection.setSavepoint();
        say("error", state(() -> run("select 1 / 0")));
        say("after the error", state(() -> run("select 1")));
        connection.rollback(savepoint);
        say("rows", value("select count(*) from " + table));
        connection.commit();
        for (int level : new int[] {Connection.TRANSACTION_SERIALIZABLE, Connection.TRANSACTION_REPEATABLE_READ,
                Connection.TRANSACTION_READ_COMMITTED}) {
            connection.setTransactionIsolation(level);
            say("isolation", value("show transaction_isolation"));
            connection.commit();
        }
        say("failed batch", state(() -> {
            try (Statement statement = connection.createStatement()) {
                statement.addBatch("delete from " + table + " where id > 10");
                statement.addBatch("select 1 / 0");
                statement.executeBatch();
            }
        }));
        connection.rollback();
        connection.setReadOnly(true);
        say("read only", state(() -> run("delete from " + table)));
        connection.rollback();
        connection.setReadOnly(false);
        connection.setAutoCommit(true);
        run("discard all");
        say("rows", value("select count(*) from " + table));
    }

    /** With a fetch size, and outside of autocommit, rows come by portal. */
    private void cursors() throws Exception {
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(7);
            int sum = 0;
            ResultSet rows = statement.executeQuery("select n from generate_series(1, 100) n");
            while (rows.next()) sum += rows.getInt(1);
            say("fetched", sum);
        }
        connection.commit();
        connection.setAutoCommit(true);
        try (Statement statement = connection.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
            ResultSet rows = statement.executeQuery("select id, word from " + table + " order by id");
            rows.absolute(3);
            rows.updateString("word", "updated");
            rows.updateRow();
            rows.last();
            say("scrolled", rows.getInt(1) + value("select word from " + table + " where id = 3"));
        }
        run("declare held cursor with hold for select generate_series(5, 8)");
        say("held", value("fetch 1 from held") + value("fetch 1 from held"));
        run("close held");
    }

    private void copies() throws Exception {
        var copy = connection.unwrap(PGConnection.class).getCopyAPI();
        String rows = "1000\ta\n1001\t\\N\n1002\té\n";
        say("copied in", copy.copyIn("copy " + table + " from stdin", new StringReader(rows)));
        for (String form : new String[] {"text", "csv", "binary"}) {
            ByteArrayOutputStream sink = new ByteArrayOutputStream();
            String query = "(select * from " + table + " where id >= 1000 order by id)";
            say("copied out", copy.copyOut("copy " + query + " to stdout (format " + form + ")", sink));
            say("copied out", sink.toString(StandardCharsets.ISO_8859_1).replace("\n", "|"));
        }
        say("refused copy", state(() ->
            copy.copyIn("copy " + table + " from stdin", new StringReader("x\ty\n"))));
    }

    /** What holds a connection, each thing until it is given back. */
    private void session(Connection watcher) throws Exception {
        run("create temp table own (n int)");
        run("insert into own values (" + number + ")");
        say("temp", value("select n from own"));
        run("drop table own");
        run("select pg_advisory_lock(" + number + ")");
        say("lock", value("select pg_advisory_unlock(" + number + ")"));
        connection.setAutoCommit(false);
        run("create temp table own (n int) on commit drop");
        run("set local work_mem = '7MB'");
        run("select pg_advisory_xact_lock(" + number + ")");
        String held = "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()";
        say("in the transaction", value("select count(*) from own") + value("show work_mem") + value(held));
        connection.commit();
        say("after the transaction", value("show work_mem") + value(held));
        connection.commit();
        connection.setAutoCommit(true);
        run("prepare q as select 'by sql'");
        say("prepared by SQL", value("execute q"));
        run("deallocate q");
        run("listen " + table);
        synchronized (watcher) {
            try (Statement statement = watcher.createStatement()) {
                statement.execute("notify " + table + ", 'while idle'");
            }
        }
        for (PGNotification heard : connection.unwrap(PGConnection.class).getNotifications(WAIT_MS)) {
            say("heard", heard.getName() + " " + heard.getParameter());
        }
        run("unlisten *");
        run("set work_mem = '" + (number + 1) + "MB'");
        connection.setSchema("pg_catalog");
        say("settings", value("show work_mem") + value("show search_path"));
        run("discard all");
        say("settings", value("show work_mem") + value("show search_path") + value("show timezone"));
        say("application", value("show application_name"));
    }

    private void twoPhase() throws Exception {
        for (String end : new String[] {"commit", "rollback"}) {
            connection.setAutoCommit(false);
            run("insert into " + table + " values (2000, '" + end + "')");
            run("prepare transaction '" + table + "'");
            connection.setAutoCommit(true);
            run(end + " prepared '" + table + "'");
            say("two-phase", value("select word from " + table + " where id = 2000"));
            run("delete from " + table + " where id = 2000");
        }
    }

    /** Two-phase commit as a transaction manager does it, on a connection of its own. */
    private void distributed() throws Exception {
        PGXADataSource source = new PGXADataSource();
        source.setUrl(url("PGPORT"));
        source.setUser(System.getenv("PGUSER"));
        source.setPassword(System.getenv("PGPASSWORD"));
        source.setSslmode("verify-full");
        source.setSslRootCert(System.getenv("PGSSLROOTCERT"));
        XAConnection own = source.getXAConnection();
        XAResource resource = own.getXAResource();
        for (int round = 0; round < 2; round++) {
            Branch branch = new Branch(table, round);
            resource.start(branch, XAResource.TMNOFLAGS);
            try (Statement statement = own.getConnection().createStatement()) {
                statement.execute("insert into " + table + " values (" + (3000 + round) + ", 'distributed')");
            }
            resource.end(branch, XAResource.TMSUCCESS);
            say("vote", resource.prepare(branch));
            boolean known = Arrays.stream(resource.recover(XAResource.TMSTARTRSCAN)).anyMatch(branch::equals);
            say("known", known);
            if (round == 0) resource.commit(branch, false);
            else resource.rollback(branch);
        }
        own.close();
        say("distributed", value("select count(*) from " + table + " where id >= 3000"));
    }

    private record Branch(String name, int round) implements Xid {
        @Override
        public int getFormatId() {
            return 7;
        }

        @Override
        public byte[] getGlobalTransactionId() {
            return name.getBytes(StandardCharsets.UTF_8);
        }

        @Override
        public byte[] getBranchQualifier() {
            return new byte[] {(byte) round};
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Xid xid && Arrays.equals(xid.getGlobalTransactionId(), getGlobalTransactionId())
                && Arrays.equals(xid.getBranchQualifier(), getBranchQualifier());
        }

        @Override
        public int hashCode() {
            return name.hashCode() + round;
        }
    }

    private void largeObjects() throws Exception {
        connection.setAutoCommit(false);
        LargeObjectManager manager = connection.unwrap(PGConnection.class).getLargeObjectAPI();
        long oid = manager.createLO();
        LargeObject object = manager.open(oid, LargeObjectManager.READWRITE);
        object.write("large".repeat(1000).getBytes(StandardCharsets.UTF_8));
        object.seek(5);
        say("large object", new String(object.read(8), StandardCharsets.UTF_8) + object.size());
        object.close();
        manager.unlink(oid);
        connection.commit();
        connection.setAutoCommit(true);
    }

    private void cancel(Connection watcher) throws Exception {
        try (Statement statement = connection.createStatement()) {
            Thread canceller = new Thread(() -> {
                try {
                    untilRunning(watcher);
                    statement.cancel();
                } catch (Exception error) {
                    throw new IllegalStateException(error);
                }
            });
            canceller.start();
            say("cancelled", state(() -> statement.execute("select pg_sleep(600) /* " + table + " */")));
            canceller.join();
        }
        say("lives", value("select 'lives'"));
        try (Statement statement = connection.createStatement()) {
            statement.setQueryTimeout(1);
            say("timed out", state(() -> statement.execute("select pg_sleep(600)")));
        }
    }

    private void untilRunning(Connection watcher) throws Exception {
        String sql = "select 1 from pg_stat_activity where wait_event = 'PgSleep' and query like ?";
        long deadline = System.nanoTime() + WAIT_MS * 1_000_000L;
        while (System.nanoTime() < deadline) {
            synchronized (watcher) {
                try (PreparedStatement statement = watcher.prepareStatement(sql)) {
                    statement.setString(1, "select pg_sleep(600) /* " + table + " */%");
                    if (statement.executeQuery().next()) return;
                }
            }
            Thread.sleep(20);
        }
        throw new IllegalStateException(table + " does not run");
    }

    private List<String> seen(Connection watcher) throws Exception {
        try (connection) {
            prepared();
            statements();
            transactions();
            cursors();
            copies();
            session(watcher);
            twoPhase();
            distributed();
            largeObjects();
            cancel(watcher);
        }
        return lines;
    }

    public static void main(String[] arguments) throws Exception {
        ExecutorService executor = Executors.newFixedThreadPool(CLIENTS);
        try (Connection watcher = connect("WATCH_PORT", "0")) {
            List<Callable<List<String>>> clients = new ArrayList<>();
            for (int number = 0; number < CLIENTS; number++) {
                int own = number;
                clients.add(() -> new Transcript(own).seen(watcher));
            }
            for (Future<List<String>> seen : executor.invokeAll(clients)) {
                seen.get().forEach(System.out::println);
            }
        } finally {
            executor.shutdown();
        }
    }
}
