use std::fs;

use super::*;

fn settings(
    arguments: &ServeArguments,
    environment: &[(&str, &str)],
) -> Result<Settings, SettingError> {
    let variable = |name: &str| {
        let found = environment.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Sources::new(arguments, None, None, variable).read()
}

fn with_file(text: &str) -> (tempfile::TempDir, ServeArguments) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w.toml");
    fs::write(&path, text).unwrap();
    (
        directory,
        ServeArguments {
            config: Some(path),
            ..ServeArguments::default()
        },
    )
}

fn message(result: Result<Settings, SettingError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_flag_counts_before_the_environment_and_that_before_the_file() {
    let (_directory, mut arguments) = with_file("workers = 1\n");
    let environment = [("WARMFRONT_WORKERS", "2")];
    assert_eq!(settings(&arguments, &[]).unwrap().workers, 1);
    assert_eq!(settings(&arguments, &environment).unwrap().workers, 2);
    arguments.workers = Some("3".to_owned());
    assert_eq!(settings(&arguments, &environment).unwrap().workers, 3);
    arguments.workers = None;
    assert_eq!(
        settings(&arguments, &[("WARMFRONT_WORKERS", "")])
            .unwrap()
            .workers,
        1
    );
}

#[test]
fn nothing_said_means_the_defaults() {
    let settings = settings(&ServeArguments::default(), &[]).unwrap();
    assert_eq!(settings.http, ["127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(settings.api.to_string(), "127.0.0.1:4566");
    assert_eq!(
        settings.access_logs.as_deref(),
        Some(Path::new("warmfront-data/logs"))
    );
    assert_eq!(
        (settings.domain.as_str(), settings.pop.as_str()),
        ("cdn.localhost", "LOC1-C1")
    );
    assert!(settings.wants_demo());
    assert!(settings.cache_bytes >= limits::CACHE_BYTES_MIN);
    assert_eq!(
        settings.log,
        LogSettings {
            level: Some(tracing::Level::INFO),
            is_json: false
        }
    );
}

#[test]
fn every_place_can_say_everything() {
    let text = r#"
        origin = "http://localhost:3000"
        http = ["127.0.0.1:1", "[::1]:2"]
        api = "127.0.0.1:3"
        workers = 4
        cache_bytes = "64MiB"
        domain = "cdn.test"
        pop = "ICN57-P2"
        connections_per_client = 1_000
        log_level = "off"
        log_format = "json"
        data = "state"
    "#;
    let (directory, arguments) = with_file(text);
    let from_file = settings(&arguments, &[]).unwrap();
    assert_eq!(from_file.http.len(), 2);
    assert_eq!(from_file.connections_per_client, 1000);
    let logs = directory.path().join("state/logs");
    assert_eq!(
        from_file.access_logs,
        Some(logs),
        "meant from where the file lies"
    );
    assert_eq!(
        from_file.log,
        LogSettings {
            level: None,
            is_json: true
        }
    );

    let environment = [
        ("WARMFRONT_HTTP", "127.0.0.1:1, [::1]:2"),
        ("WARMFRONT_CACHE_BYTES", "67108864"),
        ("WARMFRONT_ACCESS_LOGS", "off"),
    ];
    let from_environment = settings(&ServeArguments::default(), &environment).unwrap();
    assert_eq!(from_environment.http, from_file.http);
    assert_eq!(from_environment.cache_bytes, from_file.cache_bytes);
    assert_eq!(from_environment.access_logs, None);
}

#[test]
fn errors_name_the_setting_its_place_the_value_and_what_is_allowed() {
    let arguments = ServeArguments {
        cache_bytes: Some("lots".to_owned()),
        ..ServeArguments::default()
    };
    assert_eq!(
        message(settings(&arguments, &[])),
        "cache_bytes is \"lots\" (flag --cache-bytes); it must be a size from 1 MiB to 64 TiB, \
         such as 4GiB, 512MiB or 1073741824"
    );
    let environment = [("WARMFRONT_HTTP", "127.0.0.1:80,8080")];
    assert_eq!(
        message(settings(&ServeArguments::default(), &environment)),
        "http is \"8080\" (environment WARMFRONT_HTTP); it must be an IP address and a port, \
         such as 127.0.0.1:8080, 0.0.0.0:80 or [::]:8080"
    );
    let (_directory, arguments) = with_file("# mine\nworkers = 0\n");
    let message = message(settings(&arguments, &[]));
    let end = "w.toml:2); it must be a whole number from 1 to 1024";
    assert!(
        message.starts_with("workers is \"0\" (") && message.ends_with(end),
        "{message}"
    );
}

#[test]
fn files_that_are_named_must_exist() {
    for name in ["distribution", "policies", "geo", "origin_ca"] {
        let (_directory, arguments) = with_file(&format!("{name} = \"nowhere\""));
        let message = message(settings(&arguments, &[]));
        assert!(message.starts_with(&format!("{name} is ")), "{message}");
        assert!(
            message.contains("w.toml:1") && message.contains("exists"),
            "{message}"
        );
    }
}

#[test]
fn an_unknown_key_is_an_error_that_names_the_nearest_setting() {
    for (key, nearest) in [
        ("cache_byte", "cache_bytes"),
        ("access-logs", "access_logs"),
        ("distributions", "distribution"),
    ] {
        let (_directory, arguments) = with_file(&format!("\n{key} = 1"));
        let message = message(settings(&arguments, &[]));
        let end = format!("w.toml:2: {key} is no setting; did you mean {nearest}?");
        assert!(message.ends_with(&end), "{message}");
    }
    let (_directory, arguments) = with_file("something_else_altogether = 1");
    assert!(message(settings(&arguments, &[])).contains("settings are origin, distribution, "));
}

#[test]
fn a_file_that_is_no_toml_is_an_error_with_its_line() {
    let (_directory, arguments) = with_file("workers = 1\nhttp = [\n");
    let text = message(settings(&arguments, &[]));
    assert!(text.contains("w.toml:"), "{text}");
    let (_directory, arguments) = with_file("workers = true");
    let text = message(settings(&arguments, &[]));
    assert!(
        text.contains("workers is \"boolean\"") && text.contains("w.toml:1"),
        "{text}"
    );
    let arguments = ServeArguments {
        config: Some("nowhere.toml".into()),
        ..Default::default()
    };
    let text = message(settings(&arguments, &[]));
    assert!(
        text.starts_with("config is \"nowhere.toml\" (flag --config);"),
        "{text}"
    );
}

#[test]
fn changes_that_need_a_restart_are_told_from_those_that_do_not() {
    let (_directory, arguments) = with_file("workers = 1\ndomain = \"a.test\"\napi = \"[::]:1\"");
    let before = settings(&arguments, &[]).unwrap();
    assert!(before.waiting_for_restart(&before).is_empty());
    let config = arguments.config.as_ref().unwrap();
    fs::write(config, "workers = 2\ndomain = \"b.test\"").unwrap();
    let waiting = before.waiting_for_restart(&settings(&arguments, &[]).unwrap());
    assert_eq!(waiting.len(), 2, "{waiting:?}");
    assert_eq!(waiting[0], "api is no longer set");
    assert!(waiting[1].starts_with("workers = \"2\" ("), "{waiting:?}");
}

#[test]
fn an_acme_server_is_an_https_url_with_a_host() {
    let acme = |url: &str| settings(&ServeArguments::default(), &[("WARMFRONT_ACME", url)]);
    let told = acme("https://ca.example:14000/dir").unwrap().tls;
    assert_eq!(told.acme.as_deref(), Some("https://ca.example:14000/dir"));
    assert!(told.validate_certificates);
    for wrong in [
        "http://ca.example/dir",
        "https://",
        "https:///dir",
        "https://ca.example/a dir",
        "ca.example",
    ] {
        let message = message(acme(wrong));
        assert!(message.starts_with("acme is "), "{message}");
    }
}

#[test]
fn whom_an_acme_server_writes_to_has_an_address() {
    let contact = |text: &str| {
        let environment = [("WARMFRONT_ACME_CONTACT", text)];
        settings(&ServeArguments::default(), &environment)
    };
    for good in ["ops@example.com", "mailto:ops@example.com"] {
        let told = contact(good).unwrap().tls.acme_contact;
        assert_eq!(told.as_deref(), Some(good));
    }
    for wrong in [
        "ops",
        "@",
        "ops@",
        "Ops <ops@example.com>",
        "a@b.example, c@b.example",
    ] {
        let message = message(contact(wrong));
        assert!(message.starts_with("acme_contact is "), "{message}");
    }
}

#[test]
fn a_key_for_an_acme_server_is_checked_and_never_repeated() {
    let acme_key = |text: &str| {
        let environment = [("WARMFRONT_ACME_KEY", text)];
        settings(&ServeArguments::default(), &environment)
    };
    for (text, id, key) in [
        ("kid-1:c2VjcmV0", "kid-1", "c2VjcmV0"),
        (
            "https://ca.example/7:c2VjcmV0MQ==",
            "https://ca.example/7",
            "c2VjcmV0MQ==",
        ),
    ] {
        let told = acme_key(text).unwrap().tls.acme_key;
        assert_eq!(told, Some((id.to_owned(), key.to_owned())));
    }
    for wrong in [
        "c2VjcmV0",
        ":c2VjcmV0",
        "kid-1:",
        "kid-1:c2VjcmV0+/",
        "kid-1:c2VjcmV0x",
    ] {
        let message = message(acme_key(wrong));
        assert!(message.starts_with("acme_key is "), "{message}");
        assert!(!message.contains("c2VjcmV0"), "{message}");
    }
}

#[test]
fn keys_of_origins_are_a_table_and_no_message_shows_a_secret() {
    let (_directory, arguments) = with_file(
        "[origin_keys]\n\"*.s3.eu-west-1.amazonaws.com\" = \"eu-west-1 AKIA sekret\"\n\
         \"garage.internal\" = \"garage GK1 sekret token\"\n",
    );
    let first = settings(&arguments, &[]).unwrap();
    let id = |host: &str| {
        let key = first.origin_keys.find(host);
        key.map(|key| key.access_key_id.as_str())
    };
    assert_eq!(id("a.s3.eu-west-1.amazonaws.com"), Some("AKIA"));
    assert_eq!(id("garage.internal"), Some("GK1"));
    assert_eq!(id("other.internal"), None);
    assert!(!format!("{:?}", first.origin_keys).contains("sekret"));
    let variable = [("WARMFRONT_ORIGIN_KEYS", "a.test=us-east-1 OTHER sekret")];
    let later = settings(&arguments, &variable).unwrap();
    let waiting = first.waiting_for_restart(&later);
    assert_eq!(waiting, ["origin_keys (environment WARMFRONT_ORIGIN_KEYS)"]);
    for wrong in [
        "a.test=us-east-1 sekret",
        "a b=us-east-1 AKIA sekret",
        "a.test=us-east-1 AKIA sekret token sekret",
        "sekret",
    ] {
        let message = message(settings(&arguments, &[("WARMFRONT_ORIGIN_KEYS", wrong)]));
        assert!(message.starts_with("origin_keys is "), "{message}");
        assert!(!message.contains("sekret"), "{message}");
    }
}
