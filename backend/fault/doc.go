// Package fault names everything that can go wrong for a person: a stable code
// for machines and translations, and one sentence that says what to do.
//
// It is not for errors that only programmers read; those are wrapped with %w
// and reach people as [Internal]. A fault never carries a secret, and its
// sentence never repeats what a stranger sent.
package fault
