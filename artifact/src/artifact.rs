//! A component together with the publication that vouches for it.

use std::sync::Arc;

use crate::{Digest, Publication, Signed, Statement, StatementError};

/// The bytes are not the ones that were published.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The statement publishes nothing.
    #[error("the statement is no publication")]
    NoPublication,
    /// More or fewer bytes than stated.
    #[error("the component has {actual} bytes, the statement says {stated}")]
    Size {
        /// Bytes received.
        actual: u64,
        /// Bytes stated.
        stated: u64,
    },
    /// Other bytes than stated.
    #[error("the component is {actual}, the statement says {stated}")]
    Digest {
        /// Of what was received.
        actual: Digest,
        /// In the statement.
        stated: Digest,
    },
    /// Bounds or configuration are wrong.
    #[error(transparent)]
    Statement(#[from] StatementError),
}

/// A component whose every byte, and whose way of running, somebody trusted answers for. The host takes nothing else.
#[derive(Debug, Clone)]
pub struct Artifact {
    publication: Arc<Publication>,
    component: Arc<[u8]>,
}

impl Artifact {
    /// Joins a signed publication and its component.
    ///
    /// # Errors
    /// The bytes are not the published ones.
    pub fn new(signed: &Signed, component: Vec<u8>) -> Result<Self, ArtifactError> {
        let Statement::Publish(publication) = signed.statement() else { return Err(ArtifactError::NoPublication) };
        let actual = component.len() as u64;
        if actual != publication.size {
            return Err(ArtifactError::Size { actual, stated: publication.size });
        }
        let digest = Digest::of(&component);
        if digest != publication.digest {
            return Err(ArtifactError::Digest { actual: digest, stated: publication.digest });
        }
        Ok(Self { publication: Arc::new((**publication).clone()), component: component.into() })
    }

    /// A component from a folder that the operator trusts as files (`--filters DIR`): nothing is signed, and digest
    /// and size are taken from the bytes.
    ///
    /// # Errors
    /// Bounds or configuration are wrong.
    pub fn from_trusted_file(mut publication: Publication, component: Vec<u8>) -> Result<Self, ArtifactError> {
        publication.size = component.len() as u64;
        publication.digest = Digest::of(&component);
        publication.check()?;
        Ok(Self { publication: Arc::new(publication), component: component.into() })
    }

    /// How it is to run.
    pub fn publication(&self) -> &Arc<Publication> {
        &self.publication
    }

    /// The component's bytes.
    pub fn component(&self) -> &[u8] {
        &self.component
    }
}
