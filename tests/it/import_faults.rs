//! What a dry run of an import says of bad records for programs.

use outbound_tasks::pb::{ImportFormat, ImportTaskOptions};

use crate::{
    import_calls::start,
    support::import::{import, options},
};

/// A dry run says for programs what is wrong with each value, so that they can say it in the user's language.
#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_names_the_reason_of_each_fault() {
    let (_server, client) = start().await;
    let csv = "task_id,name,start_time,end_time,status,progress,target\n\
        a,,2023-03-01,2023-03-02,asleep,105,1.38E+10\n\
        b,n,2023-13-01,2023-03-01,pending,half,1\n\
        c,n,2023-03-02,2023-02-01,pending,0,1\n\
        d,n,2023-03-01,2023-03-01,pending,0,1,2\n\
        e,n,03/04/2023,2023-03-05,pending,99999999999999999999,1\n";
    let options = ImportTaskOptions {
        dry_run: true,
        ..options(ImportFormat::Csv)
    };
    let report = import(&client, options, csv.as_bytes(), 1000)
        .await
        .unwrap();
    let found: Vec<_> = report
        .errors
        .iter()
        .flat_map(|error| error.violations.iter().map(move |v| (error.line, v)))
        .map(|(line, v)| {
            let mut parameters: Vec<_> = v.parameters.iter().collect();
            parameters.sort();
            let parameters = parameters
                .iter()
                .map(|(name, value)| format!(" {name}={value}"));
            format!(
                "{line} {} {}{}",
                v.field,
                v.reason,
                parameters.collect::<String>()
            )
        })
        .collect();
    let words = "pending, running, paused, completed, stopped, failed";
    assert_eq!(
        found,
        [
            "2 name REQUIRED".to_owned(),
            "2 target[0] DAMAGED_VALUE actual=1.38E+10".to_owned(),
            format!("2 status UNKNOWN_VALUE actual=asleep allowed={words}"),
            "2 progress OUT_OF_RANGE actual=105 max=100 min=0".to_owned(),
            "3 progress NOT_A_NUMBER actual=half".to_owned(),
            "3 start_time NOT_A_TIME actual=2023-13-01".to_owned(),
            "4 end_time END_BEFORE_START".to_owned(),
            "5 record COUNT_OUT_OF_RANGE actual=8 max=7 min=7".to_owned(),
            "6 progress OUT_OF_RANGE actual=99999999999999999999 max=100 min=0".to_owned(),
            "6 start_time NOT_A_TIME actual=03/04/2023".to_owned(),
        ]
    );
    // The sentences say more.
    let ambiguous = &report.errors[4].violations[1].description;
    assert!(
        ambiguous.contains("does not tell the day from the month"),
        "{ambiguous}"
    );
}
