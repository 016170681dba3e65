//! What a person at the command line is told.

use std::fmt;

use crate::app::StartError;
use crate::auth::KeyError;
use crate::auth::password::{PasswordError, WeakPassword};
use crate::config::DataDirError;
use crate::http::tls::TlsError;
use crate::store::StoreError;

/// One sentence.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(why) => Self(format!("数据库无法连接：{why}")),
            StoreError::NotFound(what) => Self(format!("没有找到：{what}")),
            StoreError::Conflict(why) => Self(format!("与已有数据冲突：{why}")),
            other => Self(format!("数据库出错：{other}")),
        }
    }
}

macro_rules! by_display {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self(error.to_string())
            }
        }
    )*};
}

by_display!(DataDirError, KeyError, PasswordError, WeakPassword);

impl From<TlsError> for Failure {
    fn from(error: TlsError) -> Self {
        Self(format!("证书无法使用：{error}"))
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Store(error) => error.into(),
            other => Self(other.to_string()),
        }
    }
}
