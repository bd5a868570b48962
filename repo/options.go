package repo

// An Option is a setting of Read or Open.
type Option func(*limits)

// limits are the settings of Read and Open.
type limits struct {
	total  int64 // bytes of a CAR
	block  int64 // bytes of a block
	blocks int64 // of a CAR
	memory int64 // bytes of blocks
	dir    string
}

// maxBlock is what a block may be allowed to have: its size is kept in 32 bits.
const maxBlock = 1 << 30

func settings(opts []Option) limits {
	l := limits{total: 2 << 30, block: 2 << 20, blocks: 4_000_000, memory: 16 << 20}
	for _, o := range opts {
		o(&l)
	}
	l.block = min(l.block, maxBlock)
	return l
}

// set sets a limit, unless the new one is no limit.
func set(limit *int64, n int64) {
	if n > 0 {
		*limit = n
	}
}

// WithMaxSize allows a CAR of n bytes. 0 or less, or no such option: 2 GiB.
func WithMaxSize(n int64) Option { return func(l *limits) { set(&l.total, n) } }

// WithMaxBlockSize allows blocks of n bytes, up to 1 GiB. 0 or less, or no such option: 2 MiB;
// records have 1 MiB at most.
func WithMaxBlockSize(n int64) Option { return func(l *limits) { set(&l.block, n) } }

// WithMaxBlocks allows n blocks, each of which takes 48 bytes of memory beside its contents. 0 or
// less, or no such option: four million.
func WithMaxBlocks(n int64) Option { return func(l *limits) { set(&l.blocks, n) } }

// WithMemory has Read keep n bytes of blocks in memory; once there are more, all go to a temporary
// file. 0 or less, or no such option: 16 MiB.
func WithMemory(n int64) Option { return func(l *limits) { set(&l.memory, n) } }

// WithTempDir says where the temporary file of Read goes. "", or no such option: os.TempDir.
func WithTempDir(dir string) Option { return func(l *limits) { l.dir = dir } }
