//! The library's requests, by our own HTTPS: our name servers, our authorities.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use https::{Https, Request, Response};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

/// Longest answer, in octets: a chain of certificates is the longest.
const LONGEST: usize = 1 << 20;

/// Blocks; there is nothing else to do meanwhile.
pub(crate) struct Web(pub(crate) Arc<Https>);

impl HttpClient for Web {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let https = self.0.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            // An answer can be turned into octets; a request's body is of the same kind.
            let mut body = BytesResponse::from(Response::new(body)).body;
            let body = body.into_bytes().await.map_err(Error::Other)?.to_vec();
            let answer = https.request(Request::from_parts(head, body), LONGEST);
            let (parts, body) = answer.map_err(|error| Error::Other(error.into()))?.into_parts();
            Ok(BytesResponse { parts, body: Box::new(Bytes::from(body)) })
        })
    }
}
