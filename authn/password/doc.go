// Package password hashes passwords and judges which ones people may choose. A
// [Hasher] works on a bounded number at once, so that a flood of logins leaves
// the processors and the memory to everyone else.
package password
