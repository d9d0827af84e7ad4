package password

// OnHash calls f at every Argon2id, inside the gate, with its cost in KiB and
// passes.
func (p *Hasher) OnHash(f func(memory, time uint32)) {
	derive := p.derive
	p.derive = func(password, salt []byte, c cost, size int) []byte {
		f(c.memory, c.time)
		return derive(password, salt, c, size)
	}
}
