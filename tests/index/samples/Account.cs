using System.Collections.Generic;
using Text = System.Text;

namespace Bank.Core
{
    /// <summary>Money of one person.</summary>
    [Serializable]
    public class Account : IAccount
    {
        private decimal balance = 0m;

        public string Owner { get; init; }

        public Account(string owner)
        {
            Owner = owner;
        }

        [Obsolete("use Move")]
        public void Add(decimal sum) => balance += sum;

        public delegate void Changed(decimal sum);
    }

    public interface IAccount
    {
        void Add(decimal sum);
    }

    public enum Currency { Euro, Krona }

    public record Transfer(Account From, Account To);

    public struct Point
    {
        public int X, Y;
    }
}
