//! Is this instance ready?
