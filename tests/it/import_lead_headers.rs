//! Lead lists: which row is a header, and rows that do not fit it.

use crate::support::{
    TempDir,
    client::{Client, new_task},
    server::Server,
};

/// Imports a list into the task `t`; returns the messages, or the customers if it succeeded.
async fn import(
    server: &Server,
    client: &Client,
    flags: &[&str],
    input: &[u8],
) -> Result<Vec<String>, String> {
    let import = [&["targets", "import", "--tenant=demo"], flags].concat();
    let output = server.database.run(&import, input).await;
    if !output.status.success() {
        return Err(String::from_utf8(output.stderr).unwrap());
    }
    let targets = client.targets("t").await;
    Ok(targets.into_iter().map(|t| t.customer_id).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_header_is_no_customer_even_with_a_digit_beside_it() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let only = &["-", "--task=t"][..];
    for (flags, input) in [
        (&["--column=1"][..], &b"phone_number,address1\n138,x\n"[..]),
        (&[], b"phone_number,address1\n138,x\n"),
        (
            &["--column=2"],
            b"address1,\xe6\x89\x8b\xe6\x9c\xba\xe5\x8f\xb7\nx,138\n",
        ),
    ] {
        client.create(new_task("t", &[])).await;
        let flags = [only, flags].concat();
        let found = import(&server, &client, &flags, input).await;
        assert_eq!(found, Ok(vec!["138".to_owned()]), "{flags:?}");
        server.database.execute("DELETE FROM tasks").await;
    }
    client.create(new_task("t", &[])).await;
    let flags = ["-", "--task-column=list 1", "--column=2"];
    let found = import(&server, &client, &flags, b"list 1,tel 1\nt,138\n").await;
    assert_eq!(found, Ok(vec!["138".to_owned()]));
    let flags = ["-", "--task-column=list", "--column=2"];
    let why = import(&server, &client, &flags, b"t,139\n")
        .await
        .unwrap_err();
    assert!(why.contains("so --task-column must be a number"), "{why}");
}

/// A comma without quotes shifts the cells after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_with_more_cells_than_the_header_is_bad() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("t", &[])).await;
    let flags = ["-", "--task=t", "--column=phone"];
    let shifted = b"name,phone\nLi, Lei,138\n";
    let why = import(&server, &client, &flags, shifted).await.unwrap_err();
    assert!(
        why.contains("line 2: record has 3 cells where the header has 2"),
        "{why}"
    );
    let found = import(&server, &client, &flags, b"name,phone,\nLi,138, ,\n").await;
    assert_eq!(found, Ok(vec!["138".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_json_is_no_list_unless_the_format_says_so() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("t", &[])).await;
    let folder = TempDir::new();
    for name in ["leads.ndjson", "leads.json", "leads.jsonl.gz"] {
        let file = folder.0.join(name);
        std::fs::write(&file, "138\n").unwrap();
        let flags = [file.to_str().unwrap(), "--task=t"];
        let why = import(&server, &client, &flags, b"").await.unwrap_err();
        assert!(why.contains("is JSON by its name; --format csv"), "{why}");
    }
    let file = folder.0.join("leads.json");
    let flags = [file.to_str().unwrap(), "--task=t", "--format=csv"];
    let found = import(&server, &client, &flags, b"").await;
    assert_eq!(found, Ok(vec!["138".to_owned()]));
}
