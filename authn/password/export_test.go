package password

// OnHash calls f at every Argon2id, while it holds its turn, with its cost in KiB and
// passes.
func (p *Hasher) OnHash(f func(memory, time uint32)) {
	derive := p.derive
	p.derive = func(password, salt []byte, c cost, size int) []byte {
		f(c.memory, c.time)
		return derive(password, salt, c, size)
	}
}

// HashAsSent hashes a password without normalising it, as it was done before.
func (p *Hasher) HashAsSent(password string) string {
	h := phc{cost: present, salt: random(saltSize)}
	h.key = p.derive([]byte(password), h.salt, h.cost, keySize)
	return h.String()
}
