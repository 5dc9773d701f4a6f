//! What is offered after the login. A client may count on each of these to be whole.

/// In the order in which they are told. APPENDLIMIT and COMPRESS=DEFLATE are added where they are.
const AFTER_LOGIN: &str = "IMAP4rev1 IMAP4rev2 LITERAL+ IDLE NAMESPACE ID UIDPLUS MOVE UNSELECT CHILDREN ESEARCH \
    SEARCHRES SORT SORT=DISPLAY THREAD=ORDEREDSUBJECT THREAD=REFERENCES THREAD=REFS ENABLE CONDSTORE QRESYNC \
    LIST-EXTENDED LIST-STATUS LIST-MYRIGHTS LIST-METADATA SPECIAL-USE CREATE-SPECIAL-USE STATUS=SIZE STATUS=DELETED \
    BINARY CATENATE MULTIAPPEND ESORT CONTEXT=SEARCH WITHIN SAVEDATE PREVIEW OBJECTID REPLACE PARTIAL UIDONLY NOTIFY METADATA \
    METADATA-SERVER ACL RIGHTS=texk QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE UTF8=ACCEPT INPROGRESS";

/// The list. `limit`: the largest message that is taken; `compress`: COMPRESS can be used now.
pub(crate) fn after_login(limit: Option<u64>, compress: bool) -> String {
    let mut list = AFTER_LOGIN.to_owned();
    match limit {
        Some(limit) => list.push_str(&format!(" APPENDLIMIT={limit}")),
        None => list.push_str(" APPENDLIMIT"),
    }
    if compress {
        list.push_str(" COMPRESS=DEFLATE");
    }
    list
}
