//! One certificate, from the order to the file. RFC 8555 §7.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use https::Https;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, Error, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
};

use crate::answers::Answers;
use crate::due::Request;
use crate::web::Web;

/// How long the authority may take to look, and to sign.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(90));

/// An ACME server, and who we are there.
pub(crate) struct Authority {
    pub(crate) server: String,
    pub(crate) contact: Option<String>,
    /// The account's credentials.
    pub(crate) account: PathBuf,
    pub(crate) https: Arc<Https>,
}

impl Authority {
    /// Gets a certificate and lays it down for `tlsd`.
    pub(crate) fn certify(&self, request: &Request, answers: &Answers) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let chain = runtime.block_on(self.order(request, answers))?;
        sys::durable::replace(&request.certificate, chain.as_bytes(), 0o644)
            .map_err(|error| format!("{}: {error}", request.certificate.display()))
    }

    async fn order(&self, request: &Request, answers: &Answers) -> Result<String, String> {
        let account = self.account().await?;
        let names: Vec<Identifier> = request.names.iter().cloned().map(Identifier::Dns).collect();
        let mut order = account.new_order(&NewOrder::new(&names)).await.map_err(told)?;
        let mut shown = Vec::new();
        let proved = prove(&mut order, answers, &mut shown).await;
        let chain = match proved {
            Ok(()) => sign(&mut order, request).await,
            Err(cause) => Err(cause),
        };
        shown.iter().for_each(|(name, token)| answers.remove(name, token));
        chain
    }

    /// The one of before, or a new one.
    async fn account(&self) -> Result<Account, String> {
        let builder = || Account::builder_with_http(Box::new(Web(self.https.clone())));
        let text = std::fs::read(&self.account).unwrap_or_default();
        // Credentials name their server; those of another one are no use.
        let (server, kept) = text.split_at(text.iter().position(|b| *b == b'\n').map_or(0, |end| end + 1));
        if server.trim_ascii() == self.server.as_bytes()
            && let Ok(kept) = serde_json::from_slice::<AccountCredentials>(kept)
        {
            return builder().from_credentials(kept).await.map_err(told);
        }
        let contact: Vec<String> = self.contact.iter().map(|address| format!("mailto:{address}")).collect();
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let new =
            NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let (account, credentials) = builder().create(&new, self.server.clone(), None).await.map_err(told)?;
        let credentials = serde_json::to_string(&credentials).map_err(|error| error.to_string())?;
        let text = format!("{}\n{credentials}\n", self.server);
        sys::durable::replace(&self.account, text.as_bytes(), 0o600)
            .map_err(|error| format!("{}: {error}", self.account.display()))?;
        Ok(account)
    }
}

/// Shows the proofs, tells the authority, and waits until it has looked. `shown`: what is to be taken back.
async fn prove(
    order: &mut Order,
    answers: &Answers,
    shown: &mut Vec<(String, String)>,
) -> Result<(), String> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(told)?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let name = authorization.identifier().to_string();
        let mut challenge = authorization.challenge(answers.way().kind()).ok_or_else(|| {
            format!("the authority does not take this proof for {name} (control/acmechallenge)")
        })?;
        let proof = challenge.key_authorization();
        answers.add(&name, &challenge.token, proof.as_str(), proof.digest().as_ref())?;
        shown.push((name, challenge.token.clone()));
        challenge.set_ready().await.map_err(told)?;
    }
    match order.poll_ready(&PATIENCE).await.map_err(told)? {
        OrderStatus::Ready | OrderStatus::Valid => Ok(()),
        _ => Err(why_not(order).await),
    }
}

/// What the authority has found.
async fn why_not(order: &mut Order) -> String {
    let mut authorizations = order.authorizations();
    while let Some(Ok(authorization)) = authorizations.next().await {
        for challenge in &authorization.challenges {
            if let Some(problem) = &challenge.error {
                return format!("{}: {problem}", authorization.identifier());
            }
        }
    }
    "the authority does not believe that the names are ours".into()
}

async fn sign(order: &mut Order, request: &Request) -> Result<String, String> {
    order.finalize_csr(&request.der).await.map_err(told)?;
    order.poll_certificate(&PATIENCE).await.map_err(told)
}

#[allow(clippy::needless_pass_by_value)] // for map_err
fn told(error: Error) -> String {
    error.to_string()
}
