//! Passwords: the rules, argon2id hashes, and a bound on how many are computed at once.
//!
//! One hash takes some 20 ms of a core and 19 MiB (OWASP's parameters). A burst of sign-ins
//! therefore queues, on blocking threads, and a queue too long is refused as overload. The memory is
//! kept for the next one: given back each time, it would stay with the allocator in pieces.

use std::sync::{Arc, Mutex};

use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use thiserror::Error;
use tokio::sync::Semaphore;

use super::keys::{KeyError, random};

/// Shortest password in characters.
pub const MIN_CHARS: usize = 10;
/// Longest password in characters: hashing more would only cost us.
pub const MAX_CHARS: usize = 256;
/// Sign-ins that may wait for a turn; more are refused.
const MAX_WAITING: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WeakPassword {
    #[error("密码至少{MIN_CHARS}个字符")]
    TooShort,
    #[error("密码最多{MAX_CHARS}个字符")]
    TooLong,
    #[error("密码不能与登录名相同或包含登录名")]
    ContainsLogin,
    #[error("密码过于简单，请不要只用一两种字符")]
    TooUniform,
    #[error("新密码不能与原密码相同")]
    Unchanged,
}

#[derive(Debug, Error)]
pub enum PasswordError {
    #[error("too many sign-ins at once")]
    Overloaded,
    #[error("password hashing failed")]
    Failed,
}

/// Whether a person may choose this password.
///
/// # Errors
/// The first rule broken.
pub fn check(password: &str, login: &str) -> Result<(), WeakPassword> {
    let chars = password.chars().count();
    if chars < MIN_CHARS {
        return Err(WeakPassword::TooShort);
    }
    if chars > MAX_CHARS {
        return Err(WeakPassword::TooLong);
    }
    if !login.is_empty() && password.to_lowercase().contains(&login.to_lowercase()) {
        return Err(WeakPassword::ContainsLogin);
    }
    let mut seen: Vec<char> = password.chars().collect();
    seen.sort_unstable();
    seen.dedup();
    if seen.len() < 3 {
        return Err(WeakPassword::TooUniform);
    }
    Ok(())
}

/// A password for a new account: 16 characters that cannot be mistaken for one another (79 bits).
///
/// # Errors
/// [`KeyError::NoRandomness`] when the operating system refuses.
pub fn generate() -> Result<String, KeyError> {
    // 31 characters, so that the rejection below is rare.
    const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
    let mut out = String::with_capacity(19);
    let mut chars = 0;
    while chars < 16 {
        for byte in random::<16>()? {
            // 248 = 8 × 31: above it some characters would be likelier.
            if byte < 248 && chars < 16 {
                if chars > 0 && chars % 4 == 0 {
                    out.push('-');
                }
                out.push(char::from(ALPHABET[usize::from(byte) % 31]));
                chars += 1;
            }
        }
    }
    Ok(out)
}

/// Hashes and verifies passwords; cloning shares the bound.
#[derive(Clone)]
pub struct Passwords {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// Compared with when the login does not exist, so that the answer takes as long.
    decoy: Arc<str>,
    /// As many as may run at once.
    memory: Arc<Mutex<Vec<Vec<Block>>>>,
}

impl Passwords {
    /// At most `parallel` hashes at once.
    ///
    /// # Errors
    /// [`PasswordError::Failed`] when not even one hash can be computed.
    pub fn new(parallel: usize) -> Result<Self, PasswordError> {
        Ok(Self {
            running: Arc::new(Semaphore::new(parallel.max(1))),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            decoy: hash_now("not a password of anybody")?.into(),
            memory: Arc::default(),
        })
    }

    /// The PHC string to store.
    ///
    /// # Errors
    /// [`PasswordError::Overloaded`] when too many wait already.
    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        self.run(move || hash_now(&password)).await
    }

    /// Whether the password is that of `stored`; without a stored hash the answer is no, in the
    /// same time.
    ///
    /// # Errors
    /// [`PasswordError::Overloaded`] when too many wait already.
    pub async fn verify(
        &self,
        password: String,
        stored: Option<String>,
    ) -> Result<bool, PasswordError> {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.decoy.to_string());
        let memory = Arc::clone(&self.memory);
        let equal = self
            .run(move || {
                let pool = || memory.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                let mut blocks = pool().pop().unwrap_or_default();
                let equal = is_password_of(&password, &stored, &mut blocks);
                pool().push(blocks);
                equal
            })
            .await?;
        Ok(equal && known)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let _place = self.waiting.try_acquire().map_err(|_| PasswordError::Overloaded)?;
        // Owned by the work: a client that goes away does not free a core that is still busy.
        let permit =
            self.running.clone().acquire_owned().await.map_err(|_| PasswordError::Failed)?;
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        })
        .await
        .map_err(|_| PasswordError::Failed)?
    }
}

/// Whether a PHC string is that of a password, computed in `blocks`, which grow to what it needs.
fn is_password_of(
    password: &str,
    stored: &str,
    blocks: &mut Vec<Block>,
) -> Result<bool, PasswordError> {
    let failed = |_| PasswordError::Failed;
    let hash = PasswordHash::new(stored).map_err(|_| PasswordError::Failed)?;
    let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
        return Err(PasswordError::Failed);
    };
    let algorithm =
        Algorithm::try_from(hash.algorithm.as_str()).map_err(|_| PasswordError::Failed)?;
    let version = hash.version.map_or(Ok(Version::default()), Version::try_from).map_err(failed)?;
    let params = Params::try_from(&hash).map_err(|_| PasswordError::Failed)?;
    if blocks.len() < params.block_count() {
        blocks.resize(params.block_count(), Block::default());
    }
    let mut computed = [0; Output::MAX_LENGTH];
    let computed = computed.get_mut(..expected.len()).ok_or(PasswordError::Failed)?;
    Argon2::new(algorithm, version, params)
        .hash_password_into_with_memory(password.as_bytes(), salt, computed, blocks)
        .map_err(failed)?;
    // Outputs compare in constant time.
    Ok(Output::new(computed).is_ok_and(|computed| computed == *expected))
}

/// The PHC string of a password, computed on this thread (for the command line).
///
/// # Errors
/// [`PasswordError::Failed`] when the parameters are refused, which they are not.
pub fn hash_now(password: &str) -> Result<String, PasswordError> {
    // `Argon2::default()` is Argon2id v19 with 19 MiB, two passes, one lane.
    let hash: PasswordHash =
        Argon2::default().hash_password(password.as_bytes()).map_err(|_| PasswordError::Failed)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_name_what_is_wrong() {
        assert_eq!(check("short", "zhang"), Err(WeakPassword::TooShort));
        assert_eq!(check("九个字也不够长的呀", "zhang"), Err(WeakPassword::TooShort));
        assert_eq!(check("一二三四五六七八九十", "zhang"), Ok(()));
        assert_eq!(check("my-ZHANG-2026", "zhang"), Err(WeakPassword::ContainsLogin));
        assert_eq!(check("ababababababab", "zhang"), Err(WeakPassword::TooUniform));
        assert_eq!(check(&"xyz".repeat(100), "zhang"), Err(WeakPassword::TooLong));
    }

    #[test]
    fn generated_passwords_differ_and_pass_the_rules() {
        let (a, b) = (generate().unwrap(), generate().unwrap());
        assert_ne!(a, b);
        assert_eq!(a.len(), 19);
        assert_eq!(check(&a, "admin"), Ok(()));
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_account_is_accepted() {
        let passwords = Passwords::new(2).unwrap();
        let stored = passwords.hash("correct horse".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(passwords.verify("correct horse".into(), Some(stored.clone())).await.unwrap());
        assert!(!passwords.verify("wrong horse".into(), Some(stored)).await.unwrap());
        assert!(!passwords.verify("not a password of anybody".into(), None).await.unwrap());
    }
}
