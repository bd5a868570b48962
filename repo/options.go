package repo

// An Option is an option of Read or Open.
type Option func(*limits)

// limits are the settings of Read and Open.
type limits struct {
	total  int64 // bytes of a CAR
	block  int64 // bytes of a block
	blocks int64 // number of blocks in a CAR
	memory int64 // bytes of blocks in memory
	dir    string
}

// maxBlock is the largest possible limit for a block, because its size is kept in 32 bits.
const maxBlock = 1 << 30

func settings(opts []Option) limits {
	l := limits{total: 2 << 30, block: 2 << 20, blocks: 4_000_000, memory: 16 << 20}
	for _, o := range opts {
		o(&l)
	}
	l.block = min(l.block, maxBlock)
	return l
}

// set sets a limit if n is above 0.
func set(limit *int64, n int64) {
	if n > 0 {
		*limit = n
	}
}

// WithMaxSize allows a CAR of up to n bytes. The default, also for 0 or less, is 2 GiB.
func WithMaxSize(n int64) Option { return func(l *limits) { set(&l.total, n) } }

// WithMaxBlockSize allows blocks of up to n bytes, at most 1 GiB. The default, also for 0 or less,
// is 2 MiB; records have at most 1 MiB.
func WithMaxBlockSize(n int64) Option { return func(l *limits) { set(&l.block, n) } }

// WithMaxBlocks allows up to n blocks. Each takes 48 bytes of memory in addition to its content.
// The default, also for 0 or less, is four million.
func WithMaxBlocks(n int64) Option { return func(l *limits) { set(&l.blocks, n) } }

// WithMemory lets Read keep up to n bytes of blocks in memory. If there are more, all blocks go to
// a temporary file. The default, also for 0 or less, is 16 MiB.
func WithMemory(n int64) Option { return func(l *limits) { set(&l.memory, n) } }

// WithTempDir sets the folder for the temporary file of Read. The default, also for "", is
// os.TempDir.
func WithTempDir(dir string) Option { return func(l *limits) { l.dir = dir } }
