//! Random bytes for the core, from the same library as its ciphers.

use media::shard::Entropy;

pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        // The generator is seeded by the kernel at process start and cannot fail after that; a
        // predictable ICE password would be worse than the panic that ends the shard's rooms.
        aws_lc_rs::rand::fill(out).expect("the random generator failed");
    }
}
