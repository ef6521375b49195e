//! A client of the service of keys.

use outbound_tasks::pb::{
    self, CreateKeyRequest, KeyScope, ListKeysRequest, RevokeKeyRequest,
    key_service_client::KeyServiceClient,
};
use tonic::{Status, transport::Channel};

use super::server::{Server, request_with};

/// The calls with one key.
pub struct Keys {
    pub grpc: KeyServiceClient<Channel>,
    pub key: String,
}

impl Keys {
    pub async fn new(server: &Server, key: &str) -> Self {
        Self {
            grpc: KeyServiceClient::new(server.channel().await),
            key: key.to_owned(),
        }
    }

    pub async fn create(&self, message: CreateKeyRequest) -> Result<(pb::ApiKey, String), Status> {
        let request = request_with(&self.key, message);
        let created = self.grpc.clone().create_key(request).await?.into_inner();
        Ok((created.key.unwrap(), created.secret))
    }

    pub async fn page(&self, limit: i32, page_token: &str) -> Result<pb::ListKeysResponse, Status> {
        let message = ListKeysRequest {
            limit,
            page_token: page_token.to_owned(),
        };
        let request = request_with(&self.key, message);
        Ok(self.grpc.clone().list_keys(request).await?.into_inner())
    }

    pub async fn revoke(&self, key_id: &str) -> Result<pb::ApiKey, Status> {
        let message = RevokeKeyRequest {
            key_id: key_id.to_owned(),
        };
        let request = request_with(&self.key, message);
        let revoked = self.grpc.clone().revoke_key(request).await?;
        Ok(revoked.into_inner().key.unwrap())
    }
}

/// A request for a key with this name.
pub fn named(name: &str, scopes: &[KeyScope]) -> CreateKeyRequest {
    CreateKeyRequest {
        name: name.to_owned(),
        scopes: scopes.iter().map(|scope| *scope as i32).collect(),
        ..Default::default()
    }
}
