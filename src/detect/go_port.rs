//! Where a Go program learns its port: `$PORT`, a flag, another variable, or the code itself.

use super::patterns::pattern;

/// Where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// It reads `$PORT`.
    Port,
    /// A flag: `-addr 127.0.0.1:{port}`.
    Flag(String),
    /// Another variable: `HTTP_ADDR=127.0.0.1:{port}`.
    Variable(String),
    /// It is written in the code.
    Fixed(u16),
    /// It listens, and where is not seen.
    Unknown,
    /// It does not listen.
    Nowhere,
}

/// Variables of other people's ports.
const OTHERS: &[&str] = &[
    "DB",
    "DATABASE",
    "POSTGRES",
    "PG",
    "MYSQL",
    "MARIA",
    "REDIS",
    "SMTP",
    "MAIL",
    "MONGO",
    "KAFKA",
    "NATS",
    "AMQP",
    "RABBIT",
    "METRIC",
    "DEBUG",
    "PPROF",
    "ADMIN",
    "ELASTIC",
    "VAULT",
    "CONSUL",
    "ETCD",
    "OTEL",
    "OTLP",
    "JAEGER",
    "GRPC",
    "REMOTE",
    "MAC",
    "EMAIL",
    "CLICKHOUSE",
    "CACHE",
    "PROXY",
    "S3",
    "MINIO",
    "LDAP",
    "STATSD",
    "WALLET",
];

/// Looks at a program's own package, then at all of its code.
pub(super) fn of(own: &str, all: &str) -> Where {
    if let Some(default) = port_variable(all) {
        return match default.starts_with(':') {
            true => Where::Variable("PORT=:{port}".to_owned()),
            false => Where::Port,
        };
    }
    flag(own).or_else(|| variable(all)).or_else(|| fixed(own)).or_else(|| fixed(all)).unwrap_or(Where::Unknown)
}

/// The default beside `"PORT"`, empty if there is none.
fn port_variable(text: &str) -> Option<String> {
    let read = pattern(r#"(?i:env|lookup|env[a-z]*|get\w*|string|int)\w*\(\s*"PORT"\s*(?:,\s*"?([^")]*))?"#);
    if let Some(found) = read.captures(text) {
        return Some(found.get(1).map_or(String::new(), |default| default.as_str().to_owned()));
    }
    // A field that is filled from it; its default says whether it is a port or an address.
    let field = pattern(r#"`[^`\n]*\b(?:env|envconfig|mapstructure)\s*:\s*"PORT[",\s][^`\n]*`"#);
    if let Some(found) = field.find(text) {
        let default = pattern(r#"(?i:default)\s*:\s*"([^"]*)""#);
        return Some(default.captures(found.as_str()).map_or(String::new(), |default| default[1].to_owned()));
    }
    // gin's Run() without an address asks for $PORT itself.
    let tag = pattern(r#"(?:env|envconfig|mapstructure)\s*:\s*"PORT["\s,]|\.Run\(\)"#);
    let gin = tag.find(text).is_some_and(|found| found.as_str() != ".Run()" || text.contains("gin-gonic/gin"));
    gin.then(String::new)
}

fn flag(text: &str) -> Option<Where> {
    let declared = pattern(
        r#"(?:flag|pflag|fs|flags|flagSet)\.(String|Int|Uint|StringVar|IntVar|UintVar|StringP|IntP)\(\s*(?:&[\w.]+\s*,\s*)?"([\w.-]+)"\s*,\s*(?:"[a-z]?"\s*,\s*)?("[^"]*"|\d+)"#,
    );
    for found in declared.captures_iter(text) {
        let (kind, name, default) = (&found[1], &found[2], found[3].trim_matches('"'));
        let dashes = if kind.ends_with('P') || text.contains("spf13/pflag") { "--" } else { "-" };
        let lower = name.to_lowercase();
        let value = match lower.as_str() {
            "port" | "p" | "http-port" | "http.port" | "httpport" if default.starts_with(':') => ":{port}",
            "port" | "p" | "http-port" | "http.port" | "httpport" => "{port}",
            "addr" | "address" | "listen" | "bind" | "http" | "http-addr" | "http.addr" | "httpaddr"
            | "listen-addr" | "listen-address" | "listenaddr" | "listen.addr" | "web.listen-address"
                if default.is_empty() || default.contains(':') =>
            {
                "127.0.0.1:{port}"
            }
            _ => continue,
        };
        return Some(Where::Flag(format!("{dashes}{name} {value}")));
    }
    None
}

fn variable(text: &str) -> Option<Where> {
    let read = pattern(
        r#"(?:(?i:env\w*|lookup\w*|get\w*)\(\s*|env(?:config)?:)"([A-Z][A-Z0-9_]*(?:PORT|ADDR|ADDRESS|LISTEN|BIND)|ADDR|ADDRESS|LISTEN)"?\s*(?:,\s*"([^"]*)")?"#,
    );
    for found in read.captures_iter(text) {
        let name = &found[1];
        if name.split('_').any(|part| OTHERS.iter().any(|other| part.starts_with(other))) {
            continue;
        }
        let default = found.get(2).map_or("", |default| default.as_str());
        let value = match name.ends_with("PORT") {
            true if default.starts_with(':') => ":{port}",
            true => "{port}",
            false => "127.0.0.1:{port}",
        };
        return Some(Where::Variable(format!("{name}={value}")));
    }
    None
}

fn fixed(text: &str) -> Option<Where> {
    let called = pattern(
        r#"(?:ListenAndServe(?:TLS)?|\.Run|\.Start|\.Listen|\.RunTLS|Listen)\(\s*(?:"tcp[46]?"\s*,\s*)?"[^":/]*:(\d{2,5})"|\bAddr:\s*"[^":/]*:(\d{2,5})"|\b(?:[aA]ddr|[pP]ort|listenAddr)\w*\s*:?=\s*"[^":/]*:?(\d{4,5})""#,
    );
    // Below 1024 it is what a deployment listens on.
    let ports =
        called.captures_iter(text).filter_map(|found| found.iter().skip(1).flatten().next()?.as_str().parse().ok());
    ports.into_iter().find(|port| *port >= 1024).map(Where::Fixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_found_where_programs_learn_it() {
        let flag = |text: &str| Where::Flag(text.to_owned());
        let variable = |text: &str| Where::Variable(text.to_owned());
        for (text, wanted) in [
            (r#"http.ListenAndServe(":"+os.Getenv("PORT"), nil)"#, Where::Port),
            (r#"port := getEnv("PORT", "8080")"#, Where::Port),
            (r#"port := getEnv("PORT", ":8080")"#, variable("PORT=:{port}")),
            ("Port int `env:\"PORT\" envDefault:\"3000\"`", Where::Port),
            ("Port string `envconfig:\"PORT\" default:\":4000\"`", variable("PORT=:{port}")),
            ("Port string `default:\":4000\" env:\"PORT\"`", variable("PORT=:{port}")),
            ("import \"github.com/gin-gonic/gin\"\nr := gin.Default()\nr.Run()", Where::Port),
            (r#"r.Run(":8080")"#, Where::Fixed(8080)),
            (r#"e.Logger.Fatal(e.Start(":1323"))"#, Where::Fixed(1323)),
            (r#"log.Fatal(app.Listen(":3000"))"#, Where::Fixed(3000)),
            (r#"http.ListenAndServe("localhost:4000", mux)"#, Where::Fixed(4000)),
            (r#"srv := &http.Server{Addr: ":8000"}"#, Where::Fixed(8000)),
            (r#"net.Listen("tcp", ":50051")"#, Where::Fixed(50051)),
            (r#"addr := flag.String("addr", ":4000", "HTTP network address")"#, flag("-addr 127.0.0.1:{port}")),
            (r#"flag.IntVar(&cfg.port, "port", 4000, "API server port")"#, flag("-port {port}")),
            (r#"port := pflag.IntP("port", "p", 8080, "x")"#, flag("--port {port}")),
            (r#"os.Getenv("HTTP_PORT")"#, variable("HTTP_PORT={port}")),
            (r#"getenv("LISTEN_ADDR", ":8080")"#, variable("LISTEN_ADDR=127.0.0.1:{port}")),
            ("Addr string `env:\"APP_ADDR\"`", variable("APP_ADDR=127.0.0.1:{port}")),
            (r#"os.Getenv("DB_PORT")"#, Where::Unknown),
            (r#"http.Server{Addr: ":80"}"#, Where::Unknown),
            (r#"http.ListenAndServe(cfg.Addr, nil)"#, Where::Unknown),
        ] {
            assert_eq!(of(text, text), wanted, "{text}");
        }
    }
}
