//! What a text gives away is listed, hidden and put back, through files and pipes.

use crate::hob;

const TEXT: &str = "Hi, I am Adaeze Kowalczyk (adaeze@example.org, +49 30 901820).\nMy card is 4111 1111 1111 1111, my project Heron.\n";

#[test]
fn what_is_hidden_comes_back_and_the_vault_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (text, vault, words) = (at("text.txt"), at("vault.json"), at("words.txt"));
    std::fs::write(&text, TEXT).unwrap();
    std::fs::write(&words, "heron\n\n").unwrap();
    let found = hob(&["privacy", "find", &text, "--words", &words, "--json"], b"").json();
    let labels: Vec<&str> = found.as_array().unwrap().iter().map(|f| f["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["PERSON", "EMAIL", "PHONE", "CARD", "CUSTOM"]);
    assert_eq!((&found[3]["line"], &found[3]["text"]), (&2.into(), &"4111 1111 1111 1111".into()));
    let hide =
        |more: &[&str]| hob(&[&["privacy", "hide", "--vault", &vault], more].concat(), TEXT.as_bytes()).ok();
    let hidden = hide(&["--words", &words]);
    assert_eq!(
        hidden,
        "Hi, I am [PERSON_1] ([EMAIL_1], [PHONE_1]).\nMy card is [CARD_1], my project [CUSTOM_1].\n"
    );
    // A later text of the same conversation gets the same placeholders; what is to stay stays.
    assert!(hide(&["--keep", "email, Phone"]).contains("[PERSON_1] (adaeze@example.org, +49 30 901820)"));
    let back = |text: &[u8]| hob(&["privacy", "restore", "--vault", &vault], text).ok();
    assert_eq!(back(hidden.as_bytes()), TEXT);
    assert_eq!(back(b"Dear **[person 1]**, [CARD_7]"), "Dear **Adaeze Kowalczyk**, [CARD_7]");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&vault).unwrap().permissions().mode() & 0o777, 0o600);
    }
    for (args, code, expected) in [
        (&["find", &text, "--keep", "NAME"][..], 2, "expected a label such as PERSON"),
        (&["hide", &text, "--vault", &text], 2, "names the text itself"),
        (&["restore", &text, "--vault", &text], 1, "expected a file that `hob privacy hide` wrote"),
        (&["restore", &text, "--vault", &at("absent.json")], 1, "cannot open"),
    ] {
        let run = hob(&[&["privacy"], args].concat(), b"");
        assert!(run.code == Some(code) && run.stderr.contains(expected), "{expected}: {}", run.stderr);
    }
    assert_eq!(std::fs::read_to_string(&text).unwrap(), TEXT);
    let nothing = hob(&["privacy", "find"], b"The meeting is at noon.\n").ok();
    assert!(nothing.starts_with("nothing was found"), "{nothing}");
}

#[test]
fn the_preview_is_what_would_be_sent() {
    let shown = hob(&["privacy", "preview"], TEXT.as_bytes()).ok();
    assert_eq!(
        shown,
        "- \"Hi, I am Adaeze Kowalczyk (adaeze@example.org, +49 30 901820).\\n\n\
         + \"Hi, I am [PERSON_1] ([EMAIL_1], [PHONE_1]).\\n\n\
         - My card is 4111 1111 1111 1111, my project Heron.\\n\n\
         + My card is [CARD_1], my project [PERSON_2].\\n\n\
        \x20 \"\n\
         92 bytes; hidden: 2 PERSON, 1 EMAIL, 1 PHONE, 1 CARD; found and shown: nothing\n"
    );
    let json = hob(&["privacy", "preview", "--keep", "EMAIL", "--json"], TEXT.as_bytes()).json();
    assert_eq!((&json["hidden"]["CARD"], &json["shown"]["EMAIL"]), (&1.into(), &1.into()));
    // The address may be seen; the name in it is a person's still.
    let sent = json["sent"].as_str().unwrap();
    assert!(sent.contains("@example.org") && !sent.to_lowercase().contains("adaeze"), "{json}");
    let blocked = hob(&["privacy", "preview", "--keep", "CARD", "--block", "CARD"], TEXT.as_bytes());
    assert!(blocked.code == Some(1) && blocked.stderr.contains("1 of kind CARD found"), "{}", blocked.stderr);
    assert_eq!(blocked.stdout, "");
}
