#include "seqgrad/train/backup.hpp"

#include <utility>

#include "seqgrad/core/error.hpp"
#include "seqgrad/train/internal/callbacks.hpp"

namespace seqgrad {
namespace {

template <class T>
class BackupAndRestoreCallback : public Callback<T> {
  public:
    explicit BackupAndRestoreCallback(const BackupAndRestore& arguments)
        : folder_(arguments.backup_dir, arguments.keep, arguments.report),
          save_freq_(arguments.save_freq),
          delete_checkpoint_(arguments.delete_checkpoint) {}

    std::string type() const override { return "BackupAndRestore"; }

    void on_setup(TrainingRun<T>& run) override {
        if (auto found = folder_.newest()) run.restore(std::move(found->state));
    }
    void on_train_begin(TrainingRun<T>&) override { steps_ = 0; }
    void on_train_batch_end(TrainingRun<T>&, std::size_t, const Logs&) override {
        ++steps_;
        due_ = save_freq_ > 0 && steps_ % save_freq_ == 0;
    }
    void on_epoch_end(TrainingRun<T>&, std::int64_t, Logs&) override { due_ = save_freq_ == 0; }
    void on_safe_point(TrainingRun<T>& run) override {
        if (due_ || run.interrupted) folder_.save(run.capture());
        due_ = false;
    }
    void on_train_end(TrainingRun<T>& run) override {
        if (delete_checkpoint_ && !run.interrupted) folder_.clear();
    }

    CallbackState<T> state() const override {
        return {.numbers = {{"steps", static_cast<double>(steps_)}}, .tensors = {}};
    }
    void set_state(const CallbackState<T>& state) override {
        steps_ = detail::StateReader<T>(type(), state).integer("steps");
    }

  private:
    CheckpointFolder<T> folder_;
    std::int64_t save_freq_;
    bool delete_checkpoint_;
    std::int64_t steps_ = 0;
    bool due_ = false;
};

}  // namespace

template <class T>
std::shared_ptr<Callback<T>> BackupAndRestore::make() const {
    if (backup_dir.empty()) throw ValueError("BackupAndRestore: backup_dir is empty");
    detail::check_count("BackupAndRestore", "save_freq", save_freq);
    if (keep == 0) throw ValueError("BackupAndRestore: keep must be at least 1, got 0");
    return std::make_shared<BackupAndRestoreCallback<T>>(*this);
}

template std::shared_ptr<Callback<float>> BackupAndRestore::make<float>() const;
template std::shared_ptr<Callback<double>> BackupAndRestore::make<double>() const;

}  // namespace seqgrad
